// The lineage page. Belongs here: which columns are on the way, and showing them. Not here: any fact about a column (page.py).
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const cols = data.cols.map(([asset, name, type, text, classification, encrypted, withheld, technical, told], id) =>
  ({ id, asset, name, type, text, classification, encrypted, withheld, technical, never: withheld && !told, told, into: [], out: [] }));
const edges = data.edges.map(([source, target, influence, steps, reveals]) => ({ source, target, influence, steps, reveals }));
for (const edge of edges) { cols[edge.target].into.push(edge); cols[edge.source].out.push(edge); }
const assets = data.assets.map(([key, layer, text, owner, notes], id) => ({ id, key, layer, text, owner, notes, cols: [], into: new Set(), out: new Set() }));
for (const col of cols) assets[col.asset].cols.push(col);
for (const { source, target } of edges) {
  const a = cols[source].asset, b = cols[target].asset;
  if (a !== b) { assets[a].out.add(b); assets[b].into.add(a); }
}
const layerOf = (col) => assets[col.asset].layer;
const refOf = (col) => `${assets[col.asset].key}.${col.name}`;
const byRef = new Map([...assets.map((a) => [a.key, a.cols]), ...cols.map((c) => [refOf(c), [c]])]);
const GOLD = data.layers.length - 1;
const secret = (col) => col.encrypted || col.classification === "restricted";

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}
function svg(tag, props) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
  return node;
}
function lock() {
  const icon = svg("svg", { class: "lock", role: "img", "aria-label": "sensitive" });
  icon.append(svg("use", { href: "#lock" }));
  return icon;
}
const link = (ref, text) => el("a", { href: `#${ref}` }, text ?? el("code", {}, ref));

// Every column on a way to or from the chosen ones; "value" where one way there is by value throughout.
function reach(seeds, side, influences) {
  const found = new Map(seeds.map((col) => [col.id, "value"])), through = new Set(), waiting = seeds.map((col) => [col, "value"]);
  while (waiting.length) {
    const [col, kind] = waiting.shift();
    for (const edge of side === "up" ? col.into : col.out) {
      if (edge.influence && !influences) continue;
      through.add(edge);
      const next = cols[side === "up" ? edge.source : edge.target], now = edge.influence ? "influence" : kind;
      const before = found.get(next.id);
      if (before === "value" || before === now) continue;
      found.set(next.id, now);
      waiting.push([next, now]);
    }
  }
  return { found, through };
}
const reachesGold = (col) => [...reach([col], "down", true).found.keys()].some((id) => layerOf(cols[id]) === GOLD);
function wayOf(chosen) {
  const influences = $("influence").checked, technical = $("technical").checked;
  const seeds = chosen.length > 1 && !technical ? chosen.filter((col) => !col.technical) : chosen;
  const up = reach(seeds, "up", influences), down = reach(seeds, "down", influences), shown = new Map(up.found);
  for (const [id, kind] of down.found) {
    if (!technical && cols[id].technical && !up.found.has(id) && !reachesGold(cols[id])) continue;
    if (shown.get(id) !== "value") shown.set(id, kind);
  }
  const through = [...up.through, ...down.through].filter((edge) => shown.has(edge.source) && shown.has(edge.target));
  return { seeds, shown, through: [...new Set(through)], up, down };
}

// The main way stands on top of each lane; within that, each row near what it is joined to, so that few lines cross.
function ordered(way) {
  const place = new Map(), rank = (col) => (way.shown.get(col.id) === "value" ? 0 : 1);
  const lanes = data.layers.map((_, layer) => assets.filter((each) => each.layer === layer)
    .map((asset) => ({ asset, rows: asset.cols.filter((col) => way.shown.has(col.id)) })).filter((card) => card.rows.length));
  const settle = (lane) => { let y = 0; for (const card of lane) { y += 1; for (const col of card.rows) place.set(col.id, y++); } };
  const pull = (col) => {
    const near = way.through.flatMap((e) => (e.source === col.id ? [place.get(e.target)] : e.target === col.id ? [place.get(e.source)] : []));
    return near.length ? near.reduce((sum, y) => sum + y, 0) / near.length : place.get(col.id);
  };
  lanes.forEach(settle);
  for (const order of [[3, 2, 1, 0], [0, 1, 2, 3], [3, 2, 1, 0]]) for (const layer of order) {
    const pulls = new Map(lanes[layer].flatMap((card) => card.rows).map((col) => [col.id, pull(col)]));
    for (const card of lanes[layer]) {
      const whole = way.seeds.length > 1 && card.asset.id === way.seeds[0].asset; // a chosen table keeps its own order
      if (!whole) card.rows.sort((a, b) => rank(a) - rank(b) || pulls.get(a.id) - pulls.get(b.id));
      card.rank = Math.min(...card.rows.map(rank));
      card.pull = card.rows.reduce((sum, col) => sum + pulls.get(col.id), 0) / card.rows.length;
    }
    lanes[layer].sort((a, b) => a.rank - b.rank || a.pull - b.pull);
    settle(lanes[layer]);
  }
  return lanes;
}

let state = { chosen: [], way: null };
function laneOf(layer) {
  const { key, title, text } = data.layers[layer];
  return el("div", { class: "lane", "data-layer": key }, el("header", {}, el("h2", {}, title), el("p", {}, text)));
}
function drawRest() {
  $("map").className = "map rest";
  $("lanes").replaceChildren(...data.layers.map((_, layer) => {
    const lane = laneOf(layer);
    for (const asset of assets.filter((each) => each.layer === layer)) {
      const count = asset.cols.filter((col) => !col.technical).length;
      const head = el("a", { href: `#${asset.key}`, title: asset.text }, asset.key.split("/")[1], el("small", {}, String(count), el("span", {}, " columns")));
      const dots = layer === 0 && el("div", { class: "dots", "aria-hidden": "true" },
        ...asset.cols.map((col) => el("i", { class: col.never ? "w" : secret(col) ? "s" : "", title: col.name + (col.never ? ": never leaves" : "") })));
      lane.append(el("section", { class: "card", "data-asset": asset.id, "aria-label": asset.key }, head, dots || null));
    }
    return lane;
  }));
}
function noteOf(col, way) {
  const notes = [], layer = layerOf(col);
  if (layer === 0) {
    notes.push(["", [col.classification, col.encrypted && "encrypted", col.never ? "never leaves" : col.told && `the envelope tells when it changed, to the ${col.told}`].filter(Boolean).join(" · ")]);
    return notes;
  }
  const values = col.into.filter((edge) => !edge.influence && way.through.includes(edge));
  if (layer === 1) for (const edge of values) { notes.push(["mono", edge.steps[0]]); if (edge.reveals) notes.push(["", edge.reveals]); }
  if (layer === GOLD && values.length) {
    const steps = [...new Set(values.flatMap((edge) => edge.steps))];
    const own = steps.findLast((step) => step.startsWith(`${col.name} = `));
    notes.push(["mono", own ? own.slice(col.name.length + 3) : steps.at(-1) ?? "as it is"]);
  }
  if (layer === 2) {
    const ruling = col.out.filter((edge) => edge.influence && way.up.through.has(edge)).flatMap((edge) => edge.steps);
    if (way.shown.get(col.id) === "influence" && ruling.length) notes.push(["", [...new Set(ruling)].slice(0, 2).join("; ")]);
  }
  return notes;
}
const short = (text, most = 100) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const empty = ["Made by the lake itself: no column of the platform goes in.", "Nothing leaves: the publisher never reads it into an event.", "Nothing arrives.", "No figure depends on it."];
function drawWay() {
  const { way } = state;
  $("map").className = "map way";
  $("lanes").replaceChildren(...ordered(way).map((cards, layer) => {
    const lane = laneOf(layer);
    for (const { asset, rows } of cards) {
      const list = el("ul", {}, ...rows.map((col) => {
        const chosen = way.seeds.includes(col);
        const item = el("li", { id: `c${col.id}`, class: [way.shown.get(col.id) === "influence" && "only", chosen && "chosen", col.never && "withheld"].filter(Boolean).join(" ") },
          el("a", { href: `#${refOf(col)}`, title: col.text, "aria-current": chosen && "true" },
            el("b", {}, el("span", {}, col.name), layer === 0 && secret(col) ? lock() : null),
            ...noteOf(col, way).map(([kind, text]) => el("small", { class: kind }, short(text)))));
        item.dataset.id = col.id;
        return item;
      }));
      lane.append(el("section", { class: "card", "aria-label": asset.key }, el("a", { href: `#${asset.key}`, title: asset.text }, asset.key.split("/")[1]), list));
    }
    if (lane.children.length === 1) lane.append(el("p", { class: "none" }, empty[layer]));
    return lane;
  }));
}

function curve(from, to, box) {
  const y1 = from.top + Math.min(from.height / 2, 16) - box.top, y2 = to.top + Math.min(to.height / 2, 16) - box.top;
  if (Math.abs(from.left - to.left) < 8) {
    const x = to.left - box.left;
    return `M${x} ${y1}C${x - 34} ${y1} ${x - 34} ${y2} ${x} ${y2}`;
  }
  const x1 = from.right - box.left, x2 = to.left - box.left, bend = Math.max(24, (x2 - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
function drawEdges() {
  const box = $("map").getBoundingClientRect(), place = (node) => node.getBoundingClientRect(), lines = [];
  if (!state.way) {
    for (const asset of assets) for (const target of asset.out) {
      const a = document.querySelector(`[data-asset="${asset.id}"]`), b = document.querySelector(`[data-asset="${target}"]`);
      const path = svg("path", { d: curve(place(a), place(b), box), fill: "none", stroke: `var(--${data.layers[assets[target].layer].key})`, "stroke-width": 1.2, opacity: 0.28 });
      path.dataset.ends = `${asset.id} ${target}`;
      lines.push(path);
    }
  } else {
    for (const edge of [...state.way.through].sort((a, b) => b.influence - a.influence)) {
      const a = $(`c${edge.source}`), b = $(`c${edge.target}`), { shown } = state.way;
      const main = !edge.influence && shown.get(edge.source) === "value" && shown.get(edge.target) === "value";
      const path = svg("path", { d: curve(place(a), place(b), box), fill: "none", stroke: `var(--${data.layers[layerOf(cols[edge.target])].key})`,
        "stroke-width": main ? 2 : 1.1, opacity: main ? 0.85 : 0.45, ...(edge.influence && { "stroke-dasharray": "3 4" }) });
      path.dataset.ends = `${edge.source} ${edge.target}`;
      lines.push(path);
    }
  }
  $("edges").replaceChildren(...lines);
}

function pathsTo(col, most = 16) {
  const found = [];
  const walk = (at, rest) => {
    if (found.length >= most) return;
    const values = at.into.filter((edge) => !edge.influence);
    if (!values.length) { if (rest.length) found.push(rest); return; }
    for (const edge of values) walk(cols[edge.source], [edge, ...rest]);
  };
  walk(col, []);
  return found.sort((a, b) => layerOf(cols[a[0].source]) - layerOf(cols[b[0].source])); // from the platform first
}
function told(col) {
  const asset = assets[col.asset], ways = pathsTo(col), left = el("div"), right = el("div");
  left.append(el("h2", {}, el("code", {}, asset.key, el("wbr"), `.${col.name}`)), el("p", { class: "what" }, col.text || asset.text));
  const leaving = layerOf(col) === 0 ? col.out.filter((edge) => !edge.influence && !cols[edge.target].technical) : [];
  if (leaving.length) left.append(el("h3", {}, "What leaves of it"), el("ul", { class: "list" }, ...leaving.map((edge) =>
    el("li", {}, link(refOf(cols[edge.target])), el("small", { class: "mono" }, edge.steps[0]), el("small", {}, edge.reveals)))));
  if (ways.length) left.append(el("h3", {}, "Where its value comes from"));
  for (const way of ways) {
    const first = cols[way[0].source];
    const list = el("ol", { class: "path" }, el("li", { "data-layer": data.layers[layerOf(first)].key }, link(refOf(first)), first.encrypted || secret(first) ? " " : "", secret(first) ? lock() : "",
      el("small", {}, layerOf(first) ? first.text : [first.classification, first.encrypted && "encrypted by the application"].filter(Boolean).join(", "))));
    for (const edge of way) {
      const at = cols[edge.target];
      list.append(el("li", { "data-layer": data.layers[layerOf(at)].key }, link(refOf(at)),
        ...edge.steps.map((step) => el("small", { class: "mono" }, step)), edge.reveals ? el("small", {}, `What is left of it: ${edge.reveals}`) : ""));
    }
    left.append(list);
  }
  const ruled = col.into.filter((edge) => edge.influence);
  if (ruled.length) left.append(el("h3", {}, "What decides its rows"), el("ul", { class: "list" }, ...ruled.map((edge) =>
    el("li", {}, link(refOf(cols[edge.source])), ...edge.steps.map((step) => el("small", { class: "mono" }, step))))));
  if (col.withheld) left.append(el("h3", {}, "Where it goes"), el("p", {}, (col.never ? "Nowhere. The" : `Into no field: the envelope alone tells when it changed, to the ${col.told}. The`) + " contract lists it as withheld: it is never read into an event, and the lake could not hold it."));
  const { found } = reach([col], "down", true), figures = (kind) => [...found].filter(([id, how]) => how === kind && layerOf(cols[id]) === GOLD && id !== col.id).map(([id]) => cols[id]);
  const list = (title, all) => all.length ? [el("h3", {}, `${title} (${all.length})`), el("ul", { class: "list" }, ...all.map((each) => el("li", {}, link(refOf(each)), el("small", {}, each.text))))] : [];
  const facts = [["type", col.type], ["table", asset.key], ["owner", asset.owner], ["classified", [col.classification, col.encrypted && "encrypted by the application"].filter(Boolean).join(", ")], ...asset.notes];
  right.append(el("h3", {}, "About it"), el("dl", {}, ...facts.filter(([, text]) => text).flatMap(([label, text]) => [el("dt", {}, label), el("dd", {}, text)])));
  (layerOf(col) === 0 ? left : right).append(...list("Figures that its value goes into", figures("value")), ...list("Figures whose rows it decides", figures("influence")));
  return [left, right];
}
function toldAsset(asset) {
  const facts = [["owner", asset.owner], ["columns", String(asset.cols.length)], ...asset.notes];
  return [el("div", {}, el("h2", {}, el("code", {}, asset.key)), el("p", { class: "what" }, asset.text)),
    el("div", {}, el("h3", {}, "About it"), el("dl", {}, ...facts.filter(([, text]) => text).flatMap(([label, text]) => [el("dt", {}, label), el("dd", {}, text)])))];
}

function show() {
  const ref = decodeURIComponent(location.hash.slice(1)), chosen = byRef.get(ref);
  state = { chosen: chosen ?? [], way: chosen ? wayOf(chosen) : null };
  if (chosen) drawWay(); else drawRest();
  document.body.dataset.view = chosen ? "way" : "rest";
  $("lead").textContent = chosen ? (chosen.length > 1 ? `All that ${ref} comes from, and leads to. Choose one of its columns to narrow it down.`
    : `The way of ${ref}. Point at another column to follow that one alone.`) : data.lead;
  document.title = chosen ? `${ref} · lineage` : "Where every figure comes from";
  $("told").hidden = !chosen;
  $("told").replaceChildren(...(!chosen ? [] : chosen.length === 1 && ref.includes(".") ? told(chosen[0]) : toldAsset(assets[chosen[0].asset])));
  drawEdges();
}
function trace(ids) {
  const lit = (id) => ids.has(String(id));
  for (const item of document.querySelectorAll(".card li")) item.classList.toggle("lit", lit(item.dataset.id));
  for (const path of $("edges").children) path.classList.toggle("lit", path.dataset.ends.split(" ").every(lit));
}
function pointAt(event) {
  const item = event.target.closest?.(".card li"), card = event.target.closest?.(".rest .card");
  $("map").classList.toggle("tracing", Boolean(state.way && item));
  $("map").classList.toggle("hovering", Boolean(card));
  if (state.way && item) {
    const inside = (edge) => state.way.through.includes(edge), ids = new Set([item.dataset.id]);
    for (const [side, end] of [["into", "source"], ["out", "target"]]) {
      const waiting = [cols[item.dataset.id]];
      while (waiting.length) for (const edge of waiting.pop()[side].filter(inside)) if (!ids.has(String(edge[end]))) { ids.add(String(edge[end])); waiting.push(cols[edge[end]]); }
    }
    trace(ids);
  } else if (card) {
    const ids = new Set([Number(card.dataset.asset)]);
    for (const side of ["into", "out"]) for (const waiting = [Number(card.dataset.asset)]; waiting.length;) for (const next of assets[waiting.pop()][side]) if (!ids.has(next)) { ids.add(next); waiting.push(next); }
    for (const each of document.querySelectorAll(".rest .card")) each.classList.toggle("near", ids.has(Number(each.dataset.asset)));
    for (const path of $("edges").children) path.setAttribute("opacity", path.dataset.ends.split(" ").every((id) => ids.has(Number(id))) ? 0.9 : 0.06);
  } else if (!state.way) for (const path of $("edges").children) path.setAttribute("opacity", 0.28);
}

// The search box: a combobox over tables and columns, words in any order.
let hits = [], at = -1;
function search() {
  const words = $("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...assets.map((a) => [a.key, a.text]), ...cols.filter((c) => !c.technical).map((c) => [refOf(c), c.text])];
  const score = ([ref]) => (ref.endsWith(`.${words.at(-1)}`) ? 0 : ref.endsWith(words.at(-1)) ? 1 : 2) + (ref.startsWith("silver") ? 2 : 0);
  hits = words.length ? all.filter(([ref, text]) => words.every((word) => `${ref} ${text}`.toLowerCase().includes(word))).sort((a, b) => score(a) - score(b)).slice(0, 24) : [];
  at = hits.length ? 0 : -1;
  $("hits").replaceChildren(...hits.map(([ref, text], index) => {
    const item = el("li", { role: "option", id: `h${index}`, "aria-selected": String(index === at) }, ref, el("small", {}, short(text, 90)));
    item.addEventListener("mousedown", (event) => { event.preventDefault(); go(ref); });
    return item;
  }));
  if (words.length && !hits.length) $("hits").replaceChildren(el("li", { "aria-disabled": "true" }, "No column or table of that name"));
  open(words.length > 0);
}
function open(yes) { $("hits").hidden = !yes; $("q").setAttribute("aria-expanded", String(yes)); mark(); }
function mark() {
  for (const [index, item] of [...$("hits").children].entries()) { item.setAttribute("aria-selected", String(index === at)); if (index === at) item.scrollIntoView({ block: "nearest" }); }
  $("q").setAttribute("aria-activedescendant", at >= 0 ? `h${at}` : "");
}
function go(ref) { location.hash = ref; open(false); $("q").value = ""; $("q").blur(); }
$("q").addEventListener("input", search);
$("q").addEventListener("blur", () => open(false));
$("q").addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); at = hits.length ? (at + (event.key === "ArrowDown" ? 1 : hits.length - 1)) % hits.length : -1; mark(); }
  else if (event.key === "Enter" && hits[at]) go(hits[at][0]);
  else if (event.key === "Escape") { event.stopPropagation(); $("q").value = ""; open(false); $("q").blur(); }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== $("q")) { event.preventDefault(); $("q").focus(); }
  else if (event.key === "Escape" && location.hash.length > 1) location.hash = "";
});
for (const kind of ["mouseover", "focusin"]) $("lanes").addEventListener(kind, pointAt);
$("lanes").addEventListener("mouseleave", () => pointAt({ target: document.body }));
for (const id of ["influence", "technical"]) $(id).addEventListener("change", show);
$("theme").addEventListener("click", () => {
  const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("hashchange", () => { show(); scrollTo({ top: 0 }); });
new ResizeObserver(drawEdges).observe($("lanes"));
show();
