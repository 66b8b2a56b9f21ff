"use strict";
// Lists the samples of each run from its block of data. Text goes in as text, never as markup.
(() => {
  const AT_ONCE = 24;
  const MARKS = { "right": ["✓", "good"], "partly right": ["~", "apart"], "wrong": ["✕", "bad"] };
  const ORDERS = { "any": "at random", "worst": "worst first", "best": "best first", "file": "as in the files" };
  const SMALL = 128; // pixels: such a picture is enlarged with hard edges

  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null));
    return node;
  };

  const choice = (title, options, name) => {
    const select = make("select", { name });
    for (const [value, text] of options) select.append(make("option", { value }, text));
    return { select, label: make("label", {}, title, select) };
  };

  const enlarge = (image) => {
    const large = make("img", { src: image.src, alt: image.alt, class: image.className });
    const close = make("button", { type: "button" }, "Close");
    const dialog = make("dialog", { "aria-label": image.alt }, large, make("p", {}, image.alt), close);
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  };

  const picture = (data, [place, caption], id) => {
    const said = caption || `image of sample ${id}`;
    if (place < 0) return make("figure", {}, make("figcaption", {}, `${said}: cannot be read`));
    const image = make("img", { src: data.pictures[place], alt: said, decoding: "async" });
    image.addEventListener("load", () => {
      if (Math.max(image.naturalWidth, image.naturalHeight) <= SMALL) image.className = "small";
    });
    const zoom = make("button", { type: "button", class: "zoom", "aria-label": `Enlarge: ${said}` }, image);
    zoom.addEventListener("click", () => enlarge(image));
    return make("figure", {}, zoom, caption ? make("figcaption", {}, caption) : null);
  };

  const card = (data, [id, , texts, , outcome, mark, groups, pictures, images]) => {
    const list = make("dl");
    texts.forEach((text, place) => {
      if (text) list.append(make("dt", {}, data.labels[place]), make("dd", {}, text));
    });
    const foot = make("div", { class: "foot" });
    if (mark) {
      const [sign, kind] = MARKS[mark];
      foot.append(make("span", { class: `mark ${kind}` }, `${sign} ${mark}`));
    }
    if (outcome && outcome !== mark) foot.append(make("span", {}, outcome));
    foot.append(make("span", {}, [...data.groups.map((name, place) => groups[place] && `${name}: ${groups[place]}`).filter(Boolean), `id ${id}`].join(" · ")));
    if (images.length) foot.append(make("span", { class: "file" }, images.join(", ")));
    const shown = pictures.length
      ? make("div", { class: "pictures" }, ...pictures.map((one) => picture(data, one, id)))
      : null;
    return make("li", { class: "card" }, shown, list, foot);
  };

  const ordered = (rows, order) => {
    const [PLACE, SCORE] = [1, 3];
    if (order === "any") return rows;
    const sorted = rows.slice();
    if (order === "file") return sorted.sort((a, b) => a[PLACE] - b[PLACE]);
    const sign = order === "best" ? -1 : 1;
    // Of equal scores those with pictures come first; without a score last.
    const value = (row) => (row[SCORE] === null ? Infinity : sign * row[SCORE]);
    return sorted.sort((a, b) => value(a) - value(b) || b[7].length - a[7].length);
  };

  const distinct = (rows, value) => [...new Set(rows.map(value))].filter(Boolean).sort();

  const start = (place) => {
    const data = JSON.parse(document.getElementById(place.dataset.source).textContent);
    const rows = data.rows;
    const graded = rows.some((row) => row[3] !== null);
    const marks = distinct(rows, (row) => row[5]);
    const texts = rows.map((row) => [row[0], row[4], ...row[2], ...row[6]].join("\n").toLowerCase());
    const text_of = new Map(rows.map((row, number) => [row, texts[number]]));

    const search = make("input", { type: "search", name: "search", placeholder: "text or id" });
    const orders = Object.entries(ORDERS).filter(([name]) => graded || !["worst", "best"].includes(name));
    const order = choice("Order", orders, "order");
    if (graded) order.select.value = place.dataset.order;
    const outcome = choice("Outcome", [["", "all"], ...marks.map((mark) => [mark, mark])], "outcome");
    const groups = data.groups.map((name, number) => {
      const values = distinct(rows, (row) => row[6][number]);
      return choice(name, [["", "all"], ...values.map((value) => [value, value])], `group-${number}`);
    });
    const form = make("form", { class: "filters", role: "search", "aria-label": `Samples of ${place.dataset.title}` });
    form.append(make("label", { class: "search" }, "Search", search));
    if (rows.length > 1) form.append(order.label);
    if (marks.length > 1) form.append(outcome.label);
    for (const group of groups) form.append(group.label);
    const status = make("p", { class: "about", role: "status", "aria-live": "polite" });
    const list = make("ul", { class: "cards" });
    const more = make("button", { type: "button", class: "more" }, `Show ${AT_ONCE} more`);
    place.append(form, status, list, more);

    let found = [];
    let shown = 0;
    const grow = () => {
      const next = found.slice(shown, shown + AT_ONCE);
      list.append(...next.map((row) => card(data, row)));
      const first = list.children[shown];
      shown += next.length;
      more.hidden = shown >= found.length;
      const number = (value) => value.toLocaleString("en");
      status.textContent = `${number(found.length)} of ${number(rows.length)} samples match, ${number(shown)} shown`;
      return first;
    };
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = ordered(rows.filter((row) =>
        (!outcome.select.value || row[5] === outcome.select.value)
        && groups.every((group, number) => !group.select.value || row[6][number] === group.select.value)
        && words.every((word) => text_of.get(row).includes(word))), order.select.value);
      shown = 0;
      list.replaceChildren();
      grow();
    };
    let waiting = 0;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(filter, 120);
    });
    form.addEventListener("change", filter);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      filter();
    });
    more.addEventListener("click", () => {
      const first = grow();
      if (first) {
        first.tabIndex = -1;
        first.focus({ preventScroll: true });
      }
    });
    filter();
  };

  // A run is listed when it comes near the window: a page of ten runs opens at once.
  const waiting = new Set(document.querySelectorAll(".samples"));
  const open = (place) => {
    if (waiting.delete(place)) start(place);
  };
  const observer = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) open(one.target);
  }, { rootMargin: "600px" });
  for (const place of waiting) observer.observe(place);
  addEventListener("beforeprint", () => [...waiting].forEach(open));

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", () => {
      const text = button.parentElement.querySelector("code").textContent;
      const done = (said) => {
        button.textContent = said;
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      };
      navigator.clipboard
        ? navigator.clipboard.writeText(text).then(() => done("Copied"), () => done("Not allowed"))
        : done("Not allowed");
    });
  }
})();
