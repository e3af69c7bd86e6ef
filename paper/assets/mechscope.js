// Popovers of numbers and claims, and charts that become interactive. A page is complete without this script, and
// nothing here leaves the site.
(() => {
  "use strict";

  // Popovers -------------------------------------------------------------------------------------------------------
  // Opened by resting the mouse on a number, by a tap, or by focus; closed by Escape, by leaving, or by a tap outside.
  // The popover follows its number in the document, so that Tab leads into it.

  const OPEN_AFTER = 140;
  const CLOSE_AFTER = 220;
  let current = null; // {link, box}
  let timer = 0;
  let pointer = "mouse";
  let dismissed = null; // the link whose popover Escape closed: stays closed until focus or mouse leaves it

  const later = (action, delay) => {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  };

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const anchor = (text, href) => {
    const made = element("a", "", text);
    made.href = href;
    return made;
  };

  function content(link, note) {
    const box = element("span", "ms-popover");
    box.id = "ms-popover";
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-label", note.title);
    box.append(element("span", "ms-popover-title", note.title));
    const lines = element("span", "ms-popover-lines");
    for (const [name, text] of note.lines) {
      lines.append(element("span", "ms-popover-name", name), element("span", "ms-popover-text", text));
    }
    const links = element("span", "ms-popover-links");
    links.append(anchor("Details", link.getAttribute("href")));
    if (note.code) links.append(anchor("Code", note.code));
    box.append(lines, links);
    return box;
  }

  function place({ link, box }) {
    const margin = 8;
    const lines = link.getClientRects();
    const target = lines[0] ?? link.getBoundingClientRect();
    const last = lines[lines.length - 1] ?? target;
    box.style.maxHeight = "";
    const { width, height } = box.getBoundingClientRect();
    const right = document.documentElement.clientWidth - margin;
    const left = Math.max(margin, Math.min(target.left + target.width / 2 - width / 2, right - width));
    const below = last.bottom + margin;
    // Below if it fits there, else where there is more room, and no higher than that: never on its own number.
    const room = { below: window.innerHeight - margin - below, above: target.top - 2 * margin };
    const under = height <= room.below || room.below >= room.above;
    const most = Math.max(under ? room.below : room.above, 120);
    const top = under ? below : Math.max(margin, target.top - margin - Math.min(height, most));
    box.style.maxHeight = `${most}px`;
    box.style.left = `${left}px`;
    box.style.top = `${top}px`;
  }

  function open(link) {
    clearTimeout(timer);
    if (current?.link === link) return;
    close();
    let note;
    try {
      note = JSON.parse(link.dataset.ms);
    } catch {
      return;
    }
    const box = content(link, note);
    link.after(box);
    link.setAttribute("aria-expanded", "true");
    link.setAttribute("aria-describedby", box.id);
    current = { link, box };
    place(current);
    box.addEventListener("pointerenter", () => clearTimeout(timer));
    box.addEventListener("pointerleave", () => later(closeUnlessFocused, CLOSE_AFTER));
  }

  function close() {
    clearTimeout(timer);
    if (!current) return;
    current.link.setAttribute("aria-expanded", "false");
    current.link.removeAttribute("aria-describedby");
    current.box.remove();
    current = null;
  }

  const holds = (node) => current && (current.link.contains(node) || current.box.contains(node));

  function closeUnlessFocused() {
    if (!(current && document.activeElement?.matches(":focus-visible") && holds(document.activeElement))) close();
  }

  const numberAt = (event) => (event.target instanceof Element ? event.target.closest("a[data-ms]") : null);

  function preparePopovers() {
    for (const link of document.querySelectorAll("a[data-ms]")) {
      link.setAttribute("aria-haspopup", "dialog");
      link.setAttribute("aria-expanded", "false");
      link.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse" && dismissed !== link) later(() => open(link), OPEN_AFTER);
      });
      link.addEventListener("pointerleave", (event) => {
        if (dismissed === link) dismissed = null;
        if (event.pointerType === "mouse") later(closeUnlessFocused, CLOSE_AFTER);
      });
    }
    document.addEventListener("pointerdown", (event) => {
      pointer = event.pointerType;
      if (current && !holds(event.target)) close();
    });
    document.addEventListener("click", (event) => {
      const link = numberAt(event);
      if (link && pointer !== "mouse" && pointer !== "keyboard" && event.detail > 0 && current?.link !== link) {
        event.preventDefault(); // the first tap shows, a second follows the link
        open(link);
      }
    });
    document.addEventListener("keydown", (event) => {
      pointer = "keyboard";
      if (event.key !== "Escape" || !current) return;
      const { link } = current;
      dismissed = link;
      if (holds(document.activeElement)) link.focus();
      close();
    });
    document.addEventListener("focusin", (event) => {
      const link = numberAt(event);
      if (link && link !== dismissed && pointer === "keyboard") open(link);
      else if (current && !holds(event.target)) close();
      if (link !== dismissed) dismissed = null;
    });
    const follow = () => {
      if (current) place(current);
    };
    addEventListener("scroll", follow, { passive: true });
    addEventListener("resize", follow);
  }

  // Charts ---------------------------------------------------------------------------------------------------------
  // A figure is a picture first. When it comes near the screen, Vega is loaded (once a page) with the figure's
  // specification, both as scripts, because a page opened from disk may load scripts but not fetch data.

  const scripts = new Map();

  function load(address) {
    if (!scripts.has(address)) {
      scripts.set(
        address,
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = address;
          script.onload = resolve;
          script.onerror = reject;
          document.head.append(script);
        }),
      );
    }
    return scripts.get(address);
  }

  async function enliven(image) {
    const address = new URL(image.dataset.vega, document.baseURI);
    const key = decodeURIComponent(address.pathname.split("/").pop()).replace(/\.js$/, "");
    const chart = element("div", "ms-chart");
    try {
      await Promise.all([load(new URL("../vega.js", address).href), load(address.href)]);
      chart.setAttribute("role", "figure");
      chart.setAttribute("aria-label", image.alt);
      chart.hidden = true;
      image.after(chart);
      const specification = structuredClone(window.mechscopeCharts[key]);
      await window.vegaEmbed(chart, specification, { actions: false, renderer: "svg" });
      chart.hidden = false;
      image.hidden = true;
    } catch {
      chart.remove(); // the picture stays
    }
  }

  function prepareCharts() {
    const images = document.querySelectorAll("img[data-vega]");
    if (!images.length || !("IntersectionObserver" in window)) return;
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          observer.unobserve(target);
          enliven(target);
        }
      },
      { rootMargin: "300px" },
    );
    for (const image of images) observer.observe(image);
  }

  // Other runs -----------------------------------------------------------------------------------------------------
  // A link to another run's page leads to the list of runs, because that run may not be rendered. The list also comes
  // as a script; where it names the page, the link leads straight there.

  // The bar names the run and leads to that list too; with the script it is a menu of this page in every run.

  function openRuns(link) {
    const site = new URL(".", link.href).href;
    if (!location.href.startsWith(site)) return;
    const [run, ...steps] = location.href.slice(site.length).split(/[?#]/)[0].split("/");
    const page = steps.join("/");
    const there = (other, pages) => {
      if (page.startsWith(`paper/_generated/${run}/`)) return page.replace(`/${run}/`, `/${other}/`);
      return pages.includes(page) ? page : "paper/index.html";
    };
    const menu = element("details", "ms-runs");
    const list = document.createElement("ul");
    for (const [other, pages] of Object.entries(window.mechscopeRuns)) {
      const entry = anchor(window.mechscopeRunTitles?.[other] ?? other, `${site}${other}/${there(other, pages)}`);
      if (other === run) entry.setAttribute("aria-current", "page");
      const item = document.createElement("li");
      item.append(entry);
      list.append(item);
    }
    const head = element("summary", "nav-link", link.textContent.trim());
    menu.append(head, list);
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      menu.open = false;
      head.focus();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    link.replaceWith(menu);
  }

  async function prepareRuns() {
    const links = [...document.querySelectorAll("a.ms-other-run[data-run]")];
    const bar = document.querySelector("#quarto-header a.nav-link[href$='/runs.html']");
    const first = bar ?? links[0];
    if (!first) return;
    try {
      await load(new URL("runs.js", first.href).href);
    } catch {
      return; // the list it is
    }
    if (bar && window.mechscopeRuns) openRuns(bar);
    for (const link of links) {
      const { run, page } = link.dataset;
      if (window.mechscopeRuns?.[run]?.includes(page.split("#")[0])) link.href = new URL(`${run}/${page}`, link.href).href;
    }
  }

  // Tables that are wider than the page can be scrolled by keyboard.
  function prepareTables() {
    const boxes = ".quarto-float-tbl > div, figure.quarto-float-fig > div, .ms-record, .ms-claims-table";
    for (const box of document.querySelectorAll(boxes)) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    }
  }

  // The page of numbers ----------------------------------------------------------------------------------------------
  // A box that keeps the entries with all of its words, and a switch that keeps those that an article cites.

  function prepareFilter() {
    const place = document.querySelector(".ms-filter");
    if (!place) return;
    const entries = [...document.querySelectorAll("main .ms-entry")].map((entry) => ({
      entry,
      text: entry.textContent.toLowerCase(),
      cited: !entry.closest(".ms-uncited"),
    }));
    const folds = [...document.querySelectorAll("main .ms-uncited")];
    const sections = [...document.querySelectorAll("main section.level2")];
    const words = document.createElement("input");
    words.type = "search";
    words.placeholder = "Find a number by its name, key or article";
    words.setAttribute("aria-label", words.placeholder);
    const cited = document.createElement("input");
    cited.type = "checkbox";
    const label = document.createElement("label");
    label.append(cited, "cited only");
    const count = document.createElement("output");
    count.setAttribute("aria-live", "polite");
    place.append(words, label, count);

    function apply() {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const { entry, text, cited: isCited } of entries) {
        entry.hidden = (cited.checked && !isCited) || !wanted.every((word) => text.includes(word));
        if (!entry.hidden) left += 1;
      }
      const holds = (box) => box.querySelector(".ms-entry:not([hidden])") !== null;
      for (const fold of folds) {
        fold.hidden = !holds(fold);
        fold.open = wanted.length > 0 && !fold.hidden;
      }
      const filtered = wanted.length > 0 || cited.checked;
      for (const section of sections) section.hidden = filtered && !holds(section);
      count.textContent = wanted.length || cited.checked ? `${left} of ${entries.length}` : "";
    }

    words.addEventListener("input", apply);
    cited.addEventListener("change", apply);
  }

  // An engine puts the foot below the whole page; it belongs below the text.
  function prepareFoot() {
    const foot = document.querySelector("body .ms-colophon");
    if (foot) document.querySelector("main")?.append(foot);
  }

  // A link may lead into something that is folded.
  function unfold() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && target.closest("details:not([open])");
    if (!fold) return;
    fold.open = true;
    target.scrollIntoView();
  }

  function prepareFolds() {
    unfold();
    window.addEventListener("hashchange", unfold);
  }

  // Code -----------------------------------------------------------------------------------------------------------
  // A link to a record in a notebook leads to what the cell shows; who follows it wants to see the code above.

  function showCell() {
    const target = location.hash.startsWith("#record-") && document.getElementById(location.hash.slice(1));
    if (target) target.closest(".cell")?.scrollIntoView();
  }

  function prepareCells() {
    if (document.readyState === "complete") showCell();
    else window.addEventListener("load", () => requestAnimationFrame(showCell));
    window.addEventListener("hashchange", () => requestAnimationFrame(showCell));
  }

  function prepare() {
    prepareCells();
    preparePopovers();
    prepareCharts();
    prepareTables();
    window.addEventListener("load", prepareTables); // pictures have their width by then
    prepareFilter();
    prepareFolds();
    prepareFoot();
    prepareRuns();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", prepare);
  else prepare();
})();
