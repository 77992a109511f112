// Small things that HTML cannot do alone. Everything works without them.
"use strict";

(() => {
    const body = () => document.body;
    const words = () => document.getElementById("hub-words").dataset;

    // A tab that nobody sees does not poll; when it is seen again it looks at once.
    document.addEventListener("htmx:beforeRequest", (event) => {
        if (event.target.matches("#hub-poller, .hub-run") && document.hidden) event.preventDefault();
    });
    document.addEventListener("visibilitychange", () => {
        if (!document.hidden && document.getElementById("hub-poller")) body().dispatchEvent(new Event("hub-refresh"));
    });

    // Say when the hub does not answer, and when it does again.
    let lastSeen = new Date();
    const offline = (text) => {
        const notice = document.getElementById("hub-offline");
        if (!notice) return;
        notice.textContent = text;
        notice.hidden = !text;
    };
    const failed = (event) => {
        const status = event.detail.xhr ? event.detail.xhr.status : 0;
        const refusal = { 403: words().notAllowed, 404: words().notThere }[status];
        const time = lastSeen.toLocaleTimeString(document.documentElement.lang);
        offline(refusal || (status ? words().trouble : words().offline).replace("{time}", time).replace("{status}", status));
    };
    document.addEventListener("htmx:responseError", failed);
    document.addEventListener("htmx:sendError", failed);
    document.addEventListener("htmx:afterRequest", (event) => {
        if (!event.detail.successful) return;
        lastSeen = new Date();
        offline("");
    });

    // Details of a cell, on hover and focus, in a place where no scrolling box cuts them off.
    let tip = null;
    let shownFor = null;
    let kept = false; // asked for by a click or a tap, so it stays until the person goes elsewhere
    const hide = () => {
        if (tip) tip.hidePopover();
        shownFor = null;
        kept = false;
    };
    const show = (cell) => {
        const details = cell.querySelector(".hub-details");
        if (!details || !details.textContent.trim()) return;
        if (!tip) {
            tip = document.createElement("div");
            tip.className = "hub-tip";
            tip.popover = "manual";
            tip.setAttribute("aria-hidden", "true"); // the cell's own text says the same
            body().append(tip);
        }
        tip.replaceChildren(...[...details.children].map((line) => line.cloneNode(true)));
        tip.showPopover();
        const at = cell.getBoundingClientRect();
        tip.style.left = "12px"; // as wide as the screen allows, not as the place of the cell before
        const left = Math.min(at.left, document.documentElement.clientWidth - tip.offsetWidth - 12);
        const below = at.bottom + 6;
        tip.style.left = `${Math.max(12, left)}px`;
        tip.style.top = `${below + tip.offsetHeight > innerHeight - 8 ? at.top - tip.offsetHeight - 6 : below}px`;
        shownFor = cell.id;
    };
    const cellOf = (event) => {
        const box = event.target instanceof Element ? event.target.closest(".hub-cell-box, .hub-cell") : null;
        return box && (box.matches(".hub-cell") ? box : box.querySelector(".hub-cell"));
    };
    const shownCell = () => shownFor && document.getElementById(shownFor);
    document.addEventListener("mouseover", (event) => {
        if (kept) return;
        const cell = cellOf(event);
        if (cell) show(cell);
        else if (!(event.target instanceof Element) || !event.target.closest(".hub-tip")) hide();
    });
    // While a part of the page is renewed, the focus leaves it and comes back: that was not the person.
    let renewing = false;
    document.addEventListener("htmx:beforeSwap", (event) => { renewing = event.detail.shouldSwap; });
    document.addEventListener("htmx:swapError", () => { renewing = false; });
    document.addEventListener("focusin", (event) => {
        if (renewing) return;
        const cell = cellOf(event);
        if (cell) show(cell);
        else hide();
    });
    document.addEventListener("focusout", () => renewing || hide());
    document.addEventListener("click", (event) => {
        // Where the row was renewed between press and release, the click is the table's: what counts is what the pointer is on.
        const target = (event.detail && document.elementFromPoint(event.clientX, event.clientY)) || event.target;
        const place = target instanceof Element && !target.closest("a, button") && target.closest("td[data-site]");
        const cell = place && place.querySelector(".hub-cell");
        hide();
        if (!cell) return;
        show(cell);
        kept = Boolean(shownFor);
    });
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    document.addEventListener("scroll", () => (kept && shownCell() ? show(shownCell()) : hide()), { capture: true, passive: true });
    document.addEventListener("htmx:afterSettle", () => {
        renewing = false;
        const cell = shownCell();
        if (cell) show(cell);
        else if (shownFor) hide();
    });

    // Menus close by Escape, by a click elsewhere, and when what they offer was asked for.
    const shut = (menu, andFocus) => {
        menu.open = false;
        if (andFocus) menu.querySelector("summary").focus();
    };
    const openMenus = () => document.querySelectorAll("details[data-menu][open]");
    document.addEventListener("click", (event) => openMenus().forEach((menu) => menu.contains(event.target) || shut(menu)));
    document.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        openMenus().forEach((menu) => shut(menu, menu.contains(document.activeElement)));
    });
    document.addEventListener("htmx:afterRequest", (event) => {
        const menu = event.detail.successful && event.target.matches("form") && event.target.closest("details[data-menu]");
        if (menu) shut(menu, true);
    });
    // Who ticks a site means these sites.
    document.addEventListener("change", (event) => {
        const box = event.target.closest("[data-chooses]");
        if (box && event.target.checked) document.getElementById(box.dataset.chooses).checked = true;
    });
    // What was opened stays open when the part of the page around it is renewed.
    let opened = [];
    document.addEventListener("htmx:beforeSwap", () => {
        opened = [...document.querySelectorAll("details[id][open]")].map((details) => details.id);
    });
    document.addEventListener("htmx:afterSettle", () => opened.forEach((id) => {
        const details = document.getElementById(id);
        if (details) details.open = true;
    }));

    // A page that shows something once: reloaded, it must not be asked for again, so the address is another one.
    document.addEventListener("DOMContentLoaded", () => {
        const once = document.querySelector("[data-reload-to]");
        if (once) history.replaceState(null, "", once.dataset.reloadTo);
    });

    // Copy what a button names.
    document.addEventListener("click", async (event) => {
        const button = event.target instanceof Element && event.target.closest("[data-copies]");
        if (!button) return;
        const text = document.getElementById(button.dataset.copies).textContent.trim();
        try {
            await navigator.clipboard.writeText(text);
            button.textContent = words().copied;
        } catch {
            getSelection().selectAllChildren(document.getElementById(button.dataset.copies));
            button.textContent = words().selected;
        }
    });
})();
