// Small answers as toasts: dismissed by a button or Escape, read out, and gone by themselves only where nothing is left to do.
"use strict";

(() => {
    const MOST = 4;
    const SECONDS = 20; // in sight, neither pointed at nor focused, …
    const SECONDS_A_CHARACTER = 0.06; // … plus the time to read it slowly
    const words = () => document.getElementById("hub-words").dataset;
    const textOf = (alert) => (alert.querySelector(".hub-alert-text") || [...alert.childNodes].filter((node) => node.nodeType === 3).at(-1) || alert).textContent.trim();

    const stack = () => {
        let list = document.querySelector(".hub-messages");
        if (!list) {
            list = document.createElement("ul");
            list.className = "hub-messages";
            list.setAttribute("aria-label", words().messages);
            document.getElementById("content").before(list);
        }
        return list;
    };

    // They cover nothing: on a wide screen they stand in the sidebar, where the menu gives way, else below the page, which ends above them.
    const WIDE = matchMedia("(min-width: 1280px)");
    const place = () => {
        const list = document.querySelector(".hub-messages");
        if (!list) return;
        const sidebar = document.getElementById("nav-sidebar");
        const beside = WIDE.matches && sidebar !== null && sidebar.checkVisibility();
        let home = document.querySelector(".hub-toasts");
        if (beside && !home) {
            home = document.createElement("div");
            home.className = "hub-toasts";
            home.setAttribute("role", "region");
            home.setAttribute("aria-label", words().messages);
            sidebar.append(home);
        }
        if (beside && list.parentElement !== home) home.append(list);
        if (!beside && home) {
            document.getElementById("content").before(list);
            home.remove();
        }
        const height = `${list.offsetHeight}px`;
        document.documentElement.style.setProperty("--hub-toasts-beside", beside ? height : "0px");
        document.documentElement.style.setProperty("--hub-toasts-below", beside ? "0px" : height);
    };
    // What has the focus and came to lie behind them is scrolled clear; what the person scrolled away from is left where it is.
    const uncover = () => {
        const held = document.activeElement;
        const list = document.querySelector(".hub-messages");
        if (!list || held === document.body || list.closest(".hub-toasts") || list.contains(held)) return;
        const box = held.getBoundingClientRect();
        if (box.bottom > list.getBoundingClientRect().top && box.top < innerHeight) held.scrollIntoView({ block: "nearest" });
    };
    document.addEventListener("htmx:afterSettle", uncover);
    const remove = (toast) => {
        toast.remove();
        place();
    };

    const dismiss = (toast) => {
        const next = toast.nextElementSibling || toast.previousElementSibling;
        const held = toast.contains(document.activeElement);
        remove(toast);
        if (held) (next ? next.querySelector("button") : document.getElementById("content")).focus();
    };

    const complete = (toast) => {
        const alert = toast.querySelector(".hub-alert");
        const button = document.createElement("button");
        button.type = "button";
        button.className = "hub-icon-button hub-dismiss";
        button.setAttribute("aria-label", `${words().dismiss}: ${textOf(alert).slice(0, 80)}`);
        button.title = words().dismiss;
        button.innerHTML = '<span class="material-symbols-outlined" aria-hidden="true">close</span>';
        button.addEventListener("click", () => dismiss(toast));
        alert.append(button);
        if (alert.matches(".hub-alert-success, .hub-alert-info")) toast.secondsLeft = SECONDS + textOf(alert).length * SECONDS_A_CHARACTER;
    };

    setInterval(() => {
        const list = document.querySelector(".hub-messages");
        if (!list || document.hidden || list.matches(":hover, :focus-within")) return;
        for (const toast of [...list.children]) {
            if (toast.secondsLeft !== undefined && (toast.secondsLeft -= 1) <= 0) remove(toast);
        }
    }, 1000);

    document.addEventListener("keydown", (event) => {
        const newest = event.key === "Escape" && !event.defaultPrevented && document.querySelector(".hub-messages > :last-child");
        if (newest) dismiss(newest);
    });

    // Those that came with the page. They were there before the screen reader listened, so they are said again.
    document.addEventListener("DOMContentLoaded", () => {
        const toasts = [...document.querySelectorAll(".hub-messages > li")];
        toasts.forEach(complete);
        place();
        new ResizeObserver(place).observe(document.documentElement);
        const sidebar = document.getElementById("nav-sidebar");
        if (sidebar) new ResizeObserver(place).observe(sidebar);
        const said = toasts.map((toast) => textOf(toast.querySelector(".hub-alert"))).join(" ");
        if (said) setTimeout(() => { document.getElementById("hub-announcer").textContent = said; }, 500);
    });

    // An answer to a click, which htmx put into #hub-said: its text stays there to be read out, for that is a live region.
    document.addEventListener("htmx:afterSwap", (event) => {
        const alert = event.target.id === "hub-said" && event.target.querySelector(".hub-alert");
        if (!alert) return;
        const heard = document.createElement("span");
        heard.className = "hub-hidden";
        heard.textContent = textOf(alert);
        alert.replaceWith(heard);
        const list = stack();
        for (const old of [...list.children]) if (textOf(old.querySelector(".hub-alert")) === heard.textContent) old.remove();
        while (list.children.length >= MOST) ([...list.children].find((old) => old.secondsLeft !== undefined) || list.firstElementChild).remove();
        const toast = document.createElement("li");
        toast.append(alert);
        list.append(toast);
        complete(toast);
        place();
        uncover();
    });
})();
