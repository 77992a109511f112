// What Unfold's shell lacks: its clickable spans work by keyboard and have names, and the hub learns the viewer's time zone.
"use strict";

(() => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) document.cookie = `hub_timezone=${zone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;

    const words = () => document.getElementById("hub-words").dataset;
    const CLICKED = "[x-on\\:click]:not(a[href], button, input, select, textarea, summary, label)";
    const NAMES = { dock_to_right: "menu", close: "closeMenu", filter_list: "filters" };

    const makeButton = (item) => {
        item.setAttribute("role", "button");
        item.tabIndex = 0;
        const does = item.getAttribute("x-on:click");
        if (does.includes("openUserLinks")) item.setAttribute("aria-label", `${words().account}: ${item.querySelector(".font-semibold")?.textContent.trim() || ""}`);
        else if (does.includes("openTheme")) item.setAttribute("aria-label", words().theme);
        else if (does.includes("RelatedWidget")) item.setAttribute("aria-label", words().choose);
        else if (item.matches(".material-symbols-outlined")) item.setAttribute("aria-label", words()[NAMES[item.textContent.trim()]] || item.textContent.trim());
    };

    // Controls of the shell that are an icon alone, and regions that share a name.
    const NAMED = [
        ["a:has(> .material-symbols-outlined:only-child):not([aria-label]):not([title])[href$='/admin/']", "home"],
        ["#searchbar-submit", "search"],
        ["#nav-sidebar-apps .simplebar-content-wrapper", "menu"],
        ["#command-results", "results"],
        ["a[href='#'][x-on\\:click*=showActions]", "moreActions"],
    ];
    const mend = () => {
        document.querySelectorAll(CLICKED).forEach(makeButton);
        for (const [selector, word] of NAMED) document.querySelectorAll(selector).forEach((item) => item.setAttribute("aria-label", words()[word]));
        document.querySelectorAll(".material-symbols-outlined:not([role], [aria-hidden])").forEach((icon) => icon.setAttribute("aria-hidden", "true"));
        document.querySelectorAll("a[title]:not([aria-label]), button[title]:not([aria-label])").forEach((item) => {
            if (!item.querySelector(":scope > :not([aria-hidden])") && !item.innerText.trim()) item.setAttribute("aria-label", item.title);
        });
        document.querySelectorAll("span.help-tooltip[aria-label]").forEach((icon) => icon.setAttribute("role", "img"));
        const nav = document.getElementById("nav-sidebar-inner");
        if (nav) nav.setAttribute("aria-label", words().menu);
    };
    document.addEventListener("DOMContentLoaded", () => {
        const main = document.getElementById("main") || document.getElementById("page");
        if (main) main.setAttribute("role", "main");
        const content = document.getElementById("content");
        if (content) content.tabIndex = -1;
        mend();
    });
    addEventListener("load", () => setTimeout(mend)); // what other scripts have made by then

    // A menu says whether it is open, and Escape closes it.
    const MENUS = "[role=button][x-on\\:click*=openUserLinks], [role=button][x-on\\:click*=openTheme]";
    const menuOf = (item) => item.parentElement.querySelector(":scope > nav");
    const isOpen = (item) => getComputedStyle(menuOf(item)).display !== "none";
    const say = () => setTimeout(() => document.querySelectorAll(MENUS).forEach((item) => item.setAttribute("aria-expanded", String(isOpen(item)))), 250);
    document.addEventListener("click", say);
    document.addEventListener("DOMContentLoaded", say);
    document.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        const open = [...document.querySelectorAll(MENUS)].find(isOpen);
        if (!open) return;
        event.preventDefault();
        open.click();
        open.focus();
    });

    document.addEventListener("keydown", (event) => {
        const item = event.target instanceof Element && event.target.closest("[role=button][x-on\\:click]");
        if (!item || item !== event.target || (event.key !== "Enter" && event.key !== " ")) return;
        event.preventDefault();
        item.click();
    });
})();
