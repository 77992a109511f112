// Small things that HTML cannot do alone. Everything works without them.
"use strict";

(() => {
    const body = () => document.body;

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
    const REFUSALS = { 403: "Your login may not do this, or the page is too old: reload it.", 404: "There is no such thing any more: reload the page." };
    const failed = (event) => {
        const status = event.detail.xhr ? event.detail.xhr.status : 0;
        const since = lastSeen.toLocaleTimeString();
        offline(REFUSALS[status] || `The hub does not answer${status ? ` (HTTP ${status})` : ""}. What is shown is from ${since}; this page keeps trying.`);
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
    const hide = () => {
        if (tip) tip.hidePopover();
        shownFor = null;
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
        const left = Math.min(at.left, innerWidth - tip.offsetWidth - 12);
        const below = at.bottom + 6;
        tip.style.left = `${Math.max(12, left)}px`;
        tip.style.top = `${below + tip.offsetHeight > innerHeight - 8 ? at.top - tip.offsetHeight - 6 : below}px`;
        shownFor = cell.id;
    };
    const cellOf = (event) => (event.target instanceof Element ? event.target.closest(".hub-cell") : null);
    document.addEventListener("mouseover", (event) => {
        const cell = cellOf(event);
        if (cell) show(cell);
        else if (!(event.target instanceof Element) || !event.target.closest(".hub-tip")) hide();
    });
    document.addEventListener("focusin", (event) => (cellOf(event) ? show(cellOf(event)) : hide()));
    document.addEventListener("focusout", hide);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    document.addEventListener("scroll", hide, { capture: true, passive: true });
    document.addEventListener("htmx:afterSettle", () => {
        const cell = shownFor && document.getElementById(shownFor);
        if (cell) show(cell);
        else if (shownFor) hide();
    });

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
            button.textContent = "Copied";
        } catch {
            getSelection().selectAllChildren(document.getElementById(button.dataset.copies));
            button.textContent = "Selected: press Ctrl+C";
        }
    });
})();
