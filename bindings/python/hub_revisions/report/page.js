"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 300, TOP = 14, RIGHT = 18, BOTTOM = 42, CHARACTER = 6.6, MANY = 120;
  const state = { metric: "", cursor: -1, sorted: {} };
  let data, live;

  // ---- numbers

  function format(value, error) {
    if (!error || error < 1e-6 || error >= 1e6) return fourDigits(value);
    const decimals = Math.max(0, 1 - Math.floor(Math.log10(error)));
    return `${value.toFixed(decimals)} \u00b1 ${error.toFixed(decimals)}`;
  }

  function fourDigits(value) {
    const size = Math.abs(value);
    if (size && (size < 1e-4 || size >= 1e9)) return value.toExponential(3).replace("e+", "e");
    if (size >= 1000) return value.toLocaleString("en", { maximumFractionDigits: 0 });
    return value.toPrecision(4);
  }

  // ---- chart: the same parts as chart.py draws, at the width that the page has

  function part(parent, name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return parent.appendChild(made);
  }

  const px = (value) => String(Math.round(value * 10) / 10);

  function place(metric, width) {
    const labels = metric.axis.ticks.map((tick) => tick[1].length);
    const left = 16 + CHARACTER * Math.max(0, ...labels);
    const inside = width - left - RIGHT, height = HEIGHT - TOP - BOTTOM;
    const share = (axis, value) => (value - axis.low) / (axis.high - axis.low);
    return {
      left, right: width - RIGHT, bottom: HEIGHT - BOTTOM, inside,
      x: (step) => left + inside * share(data.steps, step),
      y: (value) => TOP + height * (1 - Math.min(1, Math.max(0, share(metric.axis, value)))),
    };
  }

  function points(metric) {
    const found = [];
    metric.values.forEach((value, i) => {
      const [name, step, line] = data.revisions[i];
      if (value === null || step === null) return;
      const error = metric.errors ? metric.errors[i] || 0 : 0;
      const note = data.notes[metric.why && metric.why[i] || 0];
      found.push({ i, name, step, line, value, error, note });
    });
    return found;
  }

  function draw() {
    const svg = document.getElementById("chart"), metric = data.metrics[chosen()];
    const width = Math.max(240, document.getElementById("plot").clientWidth);
    const at = place(metric, width), all = points(metric);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", HEIGHT);
    svg.replaceChildren();
    part(svg, "title", { id: "chart-title" }, `${metric.label} over steps`);
    part(svg, "desc", { id: "chart-text" }, metric.text);
    drawAxes(svg, metric, at);
    if (metric.band) {
      const [low, high] = metric.band.map(at.y);
      part(svg, "rect", { class: "band", x: px(at.left), y: px(high), width: px(at.inside), height: px(low - high) });
    }
    drawMarks(svg, all, at);
    const best = all.find((point) => point.i === metric.best);
    if (best) drawBest(svg, metric, best, at);
    drawCursor(svg, metric, all, at);
    showLegend(metric, all, best);
  }

  function drawAxes(svg, metric, at) {
    for (const [value, label] of metric.axis.ticks) {
      const y = at.y(value);
      part(svg, "line", { class: "grid", x1: px(at.left), x2: px(at.right), y1: px(y), y2: px(y) });
      part(svg, "text", { class: "tick", x: px(at.left - 8), y: px(y + 4), "text-anchor": "end" }, label);
    }
    const ticks = data.steps.ticks;
    const room = Math.max(1, ...ticks.map((tick) => tick[1].length)) * CHARACTER + 14;
    const every = Math.ceil(ticks.length / Math.max(1, Math.floor(at.inside / room)));
    ticks.forEach(([step, label], i) => {
      if (i % every !== 0 || !Number.isInteger(step)) return;
      const x = at.x(step);
      part(svg, "line", { class: "axis", x1: px(x), x2: px(x), y1: px(at.bottom), y2: px(at.bottom + 5) });
      part(svg, "text", { class: "tick", x: px(x), y: px(at.bottom + 19), "text-anchor": "middle" }, label.split(".")[0]);
    });
    part(svg, "line", { class: "axis", x1: px(at.left), x2: px(at.right), y1: px(at.bottom), y2: px(at.bottom) });
    part(svg, "text", { class: "tick", x: px(at.right), y: px(at.bottom + 36), "text-anchor": "end" }, "step");
  }

  function drawMarks(svg, all, at) {
    const lines = new Map(), errors = [], dots = [], hollow = [];
    for (const point of all) {
      const x = px(at.x(point.step)), spot = `${x} ${px(at.y(point.value))}`;
      if (point.error) errors.push(`M${x} ${px(at.y(point.value + point.error))}V${px(at.y(point.value - point.error))}`);
      if (point.note) {
        hollow.push(`M${spot}h0`);
      } else {
        dots.push(`M${spot}h0`);
        lines.set(point.line, [...(lines.get(point.line) || []), spot]);
      }
    }
    const curves = [...lines.values()].map((line) => "M" + line.join("L"));
    const dot = dots.length > MANY ? "dot many" : "dot";
    for (const [kind, d] of Object.entries({ error: errors, line: curves, [dot]: dots, hollow, hole: hollow })) {
      if (d.length) part(svg, "path", { class: kind, d: d.join("") });
    }
  }

  function drawBest(svg, metric, point, at) {
    const x = at.x(point.step), y = at.y(point.value), share = (x - at.left) / at.inside;
    const anchor = share < 0.2 ? "start" : share > 0.8 ? "end" : "middle";
    part(svg, "circle", { class: "best", cx: px(x), cy: px(y), r: 7 });
    part(svg, "text", { class: "label", x: px(x), y: px(metric.mode === "min" ? y + 22 : y - 13), "text-anchor": anchor },
      format(point.value, point.error));
  }

  function drawCursor(svg, metric, all, at) {
    const point = all[state.cursor], readout = document.getElementById("readout");
    if (!point) {
      readout.textContent = metric.text;
      return;
    }
    const x = px(at.x(point.step));
    part(svg, "line", { class: "ruler", x1: x, x2: x, y1: TOP, y2: px(at.bottom) });
    part(svg, "circle", { class: "cursor", cx: x, cy: px(at.y(point.value)), r: 10 });
    const why = point.note ? ` (left out: ${point.note})` : "";
    readout.textContent =
      `${point.name}, step ${point.step.toLocaleString("en")}: ${format(point.value, point.error)}${why}`;
  }

  function showLegend(metric, all, best) {
    const there = {
      dot: all.some((point) => !point.note), error: all.some((point) => point.error),
      best: Boolean(best), band: Boolean(metric.band), hollow: all.some((point) => point.note),
    };
    for (const [kind, shown] of Object.entries(there)) {
      document.querySelector(`.legend .key-${kind}`).hidden = !shown;
    }
  }

  function watchChart() {
    const plot = document.getElementById("plot");
    const move = (cursor) => { state.cursor = cursor; draw(); };
    plot.addEventListener("pointermove", (event) => {
      const metric = data.metrics[chosen()], all = points(metric);
      const at = place(metric, Math.max(240, plot.clientWidth));
      const box = plot.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      const far = (point) => Math.hypot(at.x(point.step) - x, (at.y(point.value) - y) / 4);
      let nearest = -1;
      all.forEach((point, i) => { if (nearest < 0 || far(point) < far(all[nearest])) nearest = i; });
      if (nearest !== state.cursor) move(nearest);
    });
    plot.addEventListener("pointerleave", () => move(-1));
    plot.addEventListener("blur", () => move(-1));
    plot.addEventListener("keydown", (event) => {
      const last = points(data.metrics[chosen()]).length - 1;
      const to = { ArrowRight: Math.min(last, state.cursor + 1), ArrowLeft: Math.max(0, state.cursor - 1), Home: 0, End: last, Escape: -1 };
      if (!(event.key in to)) return;
      event.preventDefault();
      move(to[event.key]);
    });
  }

  // ---- which metric

  // By name, so that an address and a page that has changed meanwhile lead to the same metric.
  function chosen() {
    return Math.max(0, data.metrics.findIndex((metric) => metric.label === state.metric));
  }

  function choose(metric) {
    state.metric = data.metrics[metric].label;
    state.cursor = -1;
    history.replaceState(null, "", "#" + encodeURIComponent(state.metric));
    showChosen();
  }

  function showChosen() {
    const metric = chosen(), select = document.getElementById("metric");
    if (select) select.value = metric;
    for (const tab of document.querySelectorAll("[role=tab]")) {
      const here = Number(tab.dataset.metric) === metric;
      tab.setAttribute("aria-selected", here);
      tab.tabIndex = here ? 0 : -1;
    }
    draw();
    addColumn(metric);
  }

  function watchPicker() {
    const picker = document.querySelector(".picker");
    picker.hidden = false;
    picker.addEventListener("change", (event) => choose(Number(event.target.value)));
    const tabs = [...picker.querySelectorAll("[role=tab]")];
    tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => choose(i));
      tab.addEventListener("keydown", (event) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        const next = (i + by + tabs.length) % tabs.length;
        choose(next);
        tabs[next].focus();
      });
    });
  }

  // A metric that has no column of its own gets one while it is shown.
  function addColumn(index) {
    const table = document.getElementById("revisions");
    for (const cell of table.querySelectorAll(".added")) cell.remove();
    const metric = data.metrics[index], head = table.tHead.rows[0];
    if ([...head.cells].some((cell) => cell.textContent === metric.label)) return;
    const number = new Map(data.revisions.map((revision, i) => [revision[0], i]));
    for (const row of table.tBodies[0].rows) {
      const i = number.get(row.cells[0].dataset.value), cell = row.insertCell(3), value = metric.values[i];
      cell.className = "number added";
      if (value === null || value === undefined) continue;
      cell.textContent = format(value, metric.errors && metric.errors[i]);
      cell.dataset.value = value;
    }
    const header = document.createElement("th");
    header.scope = "col";
    header.className = "number added";
    header.append(Object.assign(document.createElement("span"), { textContent: metric.label }));
    head.insertBefore(header, head.cells[3]);
    makeSortable(table, header);
  }

  // ---- tables

  function makeSortable(table, header) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      sort(table, header, header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
    });
  }

  function sort(table, header, order) {
    const column = header.cellIndex, sign = order === "ascending" ? 1 : -1;
    const numeric = header.classList.contains("number");
    const value = (row) => {
      const text = row.cells[column].dataset.value;
      return text === undefined || text === "" ? null : numeric ? Number(text) : text;
    };
    const compare = (a, b) => (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
    const rows = [...table.tBodies[0].rows].map((row) => [row, value(row)]);
    rows.sort(([, a], [, b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * compare(a, b);
    });
    table.tBodies[0].append(...rows.map(([row]) => row));
    for (const other of header.parentNode.cells) other.setAttribute("aria-sort", other === header ? order : "none");
    state.sorted[table.id] = [header.textContent, order];
  }

  function watchTables() {
    for (const table of document.querySelectorAll("table")) {
      for (const header of table.tHead.rows[0].cells) makeSortable(table, header);
    }
  }

  function sortAgain() {
    for (const table of document.querySelectorAll("table")) {
      const [name, order] = state.sorted[table.id] || [];
      const header = [...table.tHead.rows[0].cells].find((cell) => cell.textContent === name);
      if (header) sort(table, header, order);
    }
  }

  // ---- news, where a server has them

  async function lookForNews() {
    try {
      const answer = await fetch(location.origin + location.pathname, {
        headers: { Accept: "text/html", ...(live ? { "If-None-Match": live } : {}) }, cache: "no-store",
      });
      if (answer.ok) {
        live = answer.headers.get("ETag");
        takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
      document.body.dataset.connected = answer.ok || answer.status === 304;
    } catch {
      document.body.dataset.connected = false;  // the server is away; what was there stays
    }
    setTimeout(lookForNews, data.refresh * 1000);
  }

  function takeOver(page) {
    const focused = pathOf(document.activeElement);
    for (const name of ["header", "main", "#data"]) {
      document.querySelector(name).replaceWith(document.adoptNode(page.querySelector(name)));
    }
    document.title = page.title;
    start();
    const again = focused && document.querySelector(focused[0])?.querySelectorAll(focused[1])[focused[2]];
    if (again) again.focus({ preventScroll: true });
  }

  // Where the focus is, in words that the next page understands too.
  function pathOf(element) {
    const holder = element && element.closest("[id]");
    if (!holder || holder === document.body) return null;
    const kind = element.localName;
    return holder === element ? ["main", "#" + holder.id, 0]
      : ["#" + holder.id, kind, [...holder.querySelectorAll(kind)].indexOf(element)];
  }

  function start() {
    data = JSON.parse(document.getElementById("data").textContent);
    watchTables();
    if (data.metrics.length) {
      watchPicker();
      watchChart();
      showChosen();
    }
    sortAgain();
  }

  try {
    state.metric = decodeURIComponent(location.hash.slice(1));
  } catch {
    state.metric = "";
  }
  start();
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width && data.metrics.length) draw();
    width = innerWidth;
  });
  if (data.refresh) setTimeout(lookForNews, data.refresh * 1000);
})();
