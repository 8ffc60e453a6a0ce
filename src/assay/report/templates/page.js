"use strict";
// The table of runs. Reads the JSON that `payload.py` writes; everything is made with textContent, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50;
  const byId = (id) => document.getElementById(id);
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const svg = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };

  // -- values ---------------------------------------------------------------------------------------------------

  const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const words = { nan: "not a number", inf: "∞", "-inf": "−∞" };
  function number(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value !== "number") return words[value] || (typeof value === "object" ? JSON.stringify(value) : String(value));
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e7) return value.toLocaleString("en").replace("-", "−");
    if (size >= 1e-3 && size < 1e6) return String(Number(value.toPrecision(digits))).replace("-", "−");
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    const power = [...exponent.replace("+", "")].map((c) => (c === "-" ? "⁻" : SUPERSCRIPT[c])).join("");
    return `${Number(mantissa)} × 10${power}`.replace(/^-/, "−");
  }
  function duration(seconds) {
    if (typeof seconds !== "number") return "–";
    if (seconds < 0.095) return `${Math.round(seconds * 1000)} ms`;
    for (const [limit, size, unit] of [[100, 1, "s"], [5400, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "days"]]) {
      if (seconds < limit) return `${(seconds / size).toFixed(seconds / size < 10 ? 1 : 0)} ${unit}`;
    }
  }
  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const LETTER = Object.fromEntries([...ALPHABET].map((c, i) => [c, i]));
  function points(curve) {
    const [steps, low, high, code, log] = curve;
    const found = [];
    data.steps[steps].forEach((step, i) => {
      const level = LETTER[code[2 * i]] * 64 + LETTER[code[2 * i + 1]];
      if (level < 4095) found.push([step, log ? low * (high / low) ** (level / 4094) : low + ((high - low) * level) / 4094]);
    });
    return found;
  }

  // -- rows -----------------------------------------------------------------------------------------------------

  const rows = [];
  for (const block of data.experiments) {
    const extra = new Set(block.extra);
    block.seed.forEach((seed, i) => {
      const settings = block.axes.filter((a) => a.values[i] !== null).map((a) => `${a.name} = ${typeof a.values[i] === "number" ? a.values[i] : number(a.values[i])}`);
      const row = { block, i, seed, number: block.signature[i], signature: data.signatures[block.signature[i]], arm: block.arms[block.arm[i]], settings: settings.join(", "), extra: extra.has(i) };
      row.index = rows.length;
      row.text = `${block.name} ${row.arm} ${row.settings} seed = ${seed} ${row.signature}`.toLowerCase().replace(/\s*=\s*/g, "=");
      rows.push(row);
    });
  }
  const curveOf = (row) => (row.block.curves.length ? row.block.curves[0].runs[row.i] : 0) || (row.block.curves.find((c) => c.runs[row.i]) || { runs: [] }).runs[row.i] || 0;

  function configOf(row) {
    const { common, varying } = row.block.config;
    const own = {};
    for (const { key, values, at } of varying) if (at[row.i] >= 0) own[key] = values[at[row.i]];
    return { own, full: { ...common, ...own } };
  }

  // -- state ----------------------------------------------------------------------------------------------------

  const state = { text: "", experiment: "", arm: "", only: null, onlyName: "", sort: null, down: false, page: 0, open: null };
  let shown = rows;

  function select() {
    const tokens = state.text.toLowerCase().replace(/\s*=\s*/g, "=").split(/\s+/).filter(Boolean);
    shown = rows.filter((row) =>
      (!state.experiment || row.block.name === state.experiment) && (!state.arm || row.arm === state.arm) &&
      (!state.only || state.only.has(row.number)) && tokens.every((token) => row.text.includes(token)));
    const column = columns().find((c) => c.key === state.sort);
    if (column) {
      const sign = state.down ? -1 : 1;
      const value = new Map(shown.map((row) => [row, column.value(row)]));
      const empty = (v) => v === null || v === undefined || v === "nan";
      const real = (v) => (v === "inf" ? Infinity : v === "-inf" ? -Infinity : v);
      shown.sort((a, b) => {
        const [x, y] = [real(value.get(a)), real(value.get(b))];
        if (empty(x) || empty(y)) return empty(x) - empty(y);
        return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
      });
    }
  }

  function columns() {
    const block = data.experiments.find((b) => b.name === state.experiment);
    const last = [
      { key: "curve", name: "curve", cell: spark },
      { key: "seconds", name: "time", n: true, value: (r) => r.block.seconds[r.i], cell: (r) => make("td", duration(r.block.seconds[r.i]), "n") },
    ];
    const run = { key: "signature", name: "run", value: (r) => r.signature, cell: expander };
    const arm = { key: "arm", name: "arm", value: (r) => r.arm };
    const seed = { key: "seed", name: "seed", n: true, value: (r) => r.seed, cell: (r) => make("td", r.extra ? `${r.seed} (extra)` : r.seed, "n") };
    if (!block) {
      return [
        run, { key: "experiment", name: "experiment", value: (r) => r.block.name }, arm,
        { key: "settings", name: "settings", value: (r) => r.settings, cell: (r) => pairs(r.settings ? r.settings.split(", ") : [], "settings") }, seed,
        { key: "measured", name: "measured", cell: measured }, ...last,
      ];
    }
    const own = (list, kind) => list.map(({ name, values }) => ({
      key: `${kind} ${name}`, name, n: values.some((v) => typeof v === "number"), value: (r) => values[r.i],
    }));
    return [run, arm, ...own(block.axes, "axis"), seed, ...own(block.scalars, "scalar"), ...last];
  }

  function pairs(texts, className) {
    const cell = make("td", null, className);
    for (const text of texts) cell.append(make("span", text, "pair"), " ");
    return cell;
  }
  function measured(row) {
    const some = row.block.scalars.filter((s) => s.values[row.i] !== null).slice(0, 3);
    return pairs(some.map((s) => `${s.name} = ${number(s.values[row.i])}`), "measured");
  }

  function path(found, width, height, pad) {
    const xs = found.map((p) => p[0]), ys = found.map((p) => p[1]);
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const log = y0 > 0 && y1 / y0 > 300;
    const scale = (y) => (log ? Math.log(y / y0) / Math.log(y1 / y0) : (y - y0) / (y1 - y0 || 1));
    const d = found.map(([x, y], k) => `${k ? "L" : "M"}${(pad + ((width - 2 * pad) * (x - x0)) / (x1 - x0 || 1)).toFixed(1)} ${(height - pad - (height - 2 * pad) * scale(y)).toFixed(1)}`).join("");
    return { d, x0, x1, y0, y1, log };
  }

  function spark(row) {
    const cell = make("td");
    const curve = curveOf(row);
    const found = curve ? points(curve) : [];
    if (found.length < 2) return cell;
    const image = svg("svg", { class: "spark", viewBox: "0 0 84 24", role: "img" });
    const { d, y0, y1 } = path(found, 84, 24, 2);
    image.setAttribute("aria-label", `curve between ${number(y0)} and ${number(y1)}`);
    image.append(svg("path", { d }));
    cell.append(image);
    return cell;
  }

  function expander(row) {
    const cell = make("td");
    const button = make("button", row.signature.length > 12 ? `${row.signature.slice(0, 8)}…` : row.signature, "expand");
    button.type = "button";
    button.title = row.signature;
    button.setAttribute("aria-expanded", String(state.open === row));
    button.addEventListener("click", () => {
      state.open = state.open === row ? null : row;
      draw();
      const again = byId("runs-table").querySelector(`tr[data-row="${row.index}"] .expand`);
      if (again) again.focus();
    });
    cell.append(button);
    return cell;
  }

  // -- one run --------------------------------------------------------------------------------------------------

  function list(entries) {
    const node = make("dl", null, "small");
    for (const [key, value] of entries) node.append(make("dt", key), make("dd", value));
    return node;
  }
  function part(title, ...content) {
    const node = make("section");
    node.append(make("h3", title), ...content);
    return node;
  }
  function copier(text) {
    const line = make("p", null, "command small");
    line.append(make("code", text));
    if (navigator.clipboard && window.isSecureContext) {
      const button = make("button", "Copy", "plain");
      button.type = "button";
      button.addEventListener("click", () => navigator.clipboard.writeText(text).then(() => { button.textContent = "Copied"; }, () => {}));
      line.append(button);
    }
    return line;
  }
  function chart(name, curve) {
    const found = points(curve);
    if (found.length < 2) return null;
    const { d, x0, x1, y0, y1, log } = path(found, 320, 120, 6);
    const image = svg("svg", { class: "curve", viewBox: "-46 0 372 140", role: "img", "aria-label": `${name} from step ${x0} to ${x1}, between ${number(y0)} and ${number(y1)}` });
    image.append(svg("line", { x1: 6, x2: 6, y1: 4, y2: 114 }), svg("line", { x1: 6, x2: 316, y1: 114, y2: 114 }), svg("path", { d }));
    const text = (x, y, anchor, content) => {
      const node = svg("text", { x, y, "text-anchor": anchor });
      node.textContent = content;
      image.append(node);
    };
    text(2, 12, "end", number(y1, 3)); text(2, 114, "end", number(y0, 3));
    text(6, 130, "start", number(x0)); text(316, 130, "end", `step ${number(x1)}`);
    if (log) text(316, 12, "end", "log scale");
    return part(name, image);
  }

  function details(row) {
    const { block, i } = row;
    const node = make("div", null, "run");
    const command = block.commands[block.command[i]].replaceAll("SIGNATURE", row.signature);
    const repeat = part("Repeat it", copier(command));
    repeat.className = "wide";
    node.append(repeat);
    for (const { name, runs } of block.curves.slice(0, 8)) {
      const drawn = runs[i] && chart(name, runs[i]);
      if (drawn) node.append(drawn);
    }
    const scalars = block.scalars.filter((s) => s.values[i] !== null).map((s) => [s.name, number(s.values[i], 6)]);
    if (scalars.length) node.append(part("Measured", list(scalars)));
    const { own, full } = configOf(row);
    const show = (value) => (typeof value === "string" ? value : JSON.stringify(value));
    const about = [["arm", row.arm], ["seed", row.extra ? `${row.seed} (beyond the registered ones)` : row.seed]];
    if (block.seconds[i] !== null) about.push(["took", duration(block.seconds[i])]);
    if (block.commits[block.commit[i]]) about.push(["commit", block.commits[block.commit[i]]]);
    node.append(part("Run", list(about)));
    if (Object.keys(own).length) node.append(part("What sets it apart in this experiment", list(Object.entries(own).map(([k, v]) => [k, show(v)]))));
    if (Object.keys(full).length) {
      const whole = make("details", null, "wide");
      whole.append(make("summary", `Full configuration (${Object.keys(full).length} values)`), make("pre", Object.keys(full).sort().map((k) => `${k}: ${show(full[k])}`).join("\n"), "small"));
      node.append(whole);
    }
    return node;
  }

  // -- drawing --------------------------------------------------------------------------------------------------

  const table = byId("runs-table").querySelector("table");
  function draw() {
    const shape = columns();
    const head = make("tr");
    for (const column of shape) {
      const cell = make("th", null, column.n ? "n" : "");
      cell.scope = "col";
      if (column.value) {
        const sorted = state.sort === column.key;
        cell.setAttribute("aria-sort", sorted ? (state.down ? "descending" : "ascending") : "none");
        const button = make("button");
        button.type = "button";
        button.dataset.key = column.key;
        const arrow = make("span", sorted ? (state.down ? "▾" : "▴") : "");
        arrow.setAttribute("aria-hidden", "true");
        button.append(make("span", column.name), arrow);
        button.addEventListener("click", () => {
          // up, down, as it was
          if (state.sort !== column.key) Object.assign(state, { sort: column.key, down: false });
          else if (!state.down) state.down = true;
          else Object.assign(state, { sort: null, down: false });
          state.page = 0;
          refresh();
          const again = [...table.tHead.querySelectorAll("button")].find((b) => b.dataset.key === column.key);
          if (again) again.focus();
        });
        cell.append(button);
      } else cell.textContent = column.name;
      head.append(cell);
    }
    table.tHead.replaceChildren(head);
    const body = table.tBodies[0];
    const from = state.page * PAGE;
    const made = [];
    for (const row of shown.slice(from, from + PAGE)) {
      const line = make("tr");
      line.dataset.row = row.index;
      for (const column of shape) line.append(column.cell ? column.cell(row) : make("td", column.n ? number(column.value(row)) : String(column.value(row) ?? "–"), column.n ? "n" : ""));
      made.push(line);
      if (state.open === row) {
        const more = make("tr", null, "open");
        const cell = make("td");
        cell.colSpan = shape.length;
        cell.append(details(row));
        more.append(cell);
        made.push(more);
      }
    }
    if (!made.length) {
      const line = make("tr"), cell = make("td", rows.length ? "No run matches." : "No runs yet.");
      cell.colSpan = shape.length;
      line.append(cell);
      made.push(line);
    }
    body.replaceChildren(...made);
    const last = Math.min(from + PAGE, shown.length);
    byId("where").textContent = shown.length ? `${from + 1}–${last} of ${shown.length.toLocaleString("en")}${shown.length < rows.length ? ` (${rows.length.toLocaleString("en")} in all)` : ""}` : "";
    byId("before").disabled = state.page === 0;
    byId("next").disabled = last >= shown.length;
    byId("clear").hidden = !state.only;
    if (state.only) byId("clear").textContent = `Only ${state.onlyName} ✕`;
  }
  function refresh() { select(); draw(); }

  function options(node, names, all) {
    node.replaceChildren(...[all, ...names].map((name, k) => {
      const option = make("option", name);
      option.value = k ? name : "";
      return option;
    }));
  }
  function arms() {
    const blocks = data.experiments.filter((b) => !state.experiment || b.name === state.experiment);
    options(byId("arm"), [...new Set(blocks.flatMap((b) => b.arms))].sort(), "all arms");
    if (![...byId("arm").options].some((o) => o.value === state.arm)) state.arm = "";
    byId("arm").value = state.arm;
  }

  function only(numbers, name) {
    Object.assign(state, { only: numbers, onlyName: name, page: 0, text: "", experiment: "", arm: "", open: null });
    byId("find").value = "";
    byId("experiment").value = "";
    arms();
    refresh();
  }
  function reveal(signature) {
    const row = rows.find((r) => r.signature === signature);
    if (!row) return;
    only(null, "");
    Object.assign(state, { open: row, page: Math.floor(shown.indexOf(row) / PAGE) });
    draw();
    const line = table.querySelector(`tr[data-row="${row.index}"]`);
    if (line) {
      line.scrollIntoView({ block: "center" });
      line.querySelector(".expand").focus({ preventScroll: true });
    }
  }
  function follow() {
    if (location.hash.startsWith("#run-")) reveal(decodeURIComponent(location.hash.slice(5)));
  }

  // -- start ----------------------------------------------------------------------------------------------------

  options(byId("experiment"), data.experiments.map((b) => b.name), "all experiments");
  if (data.experiments.length === 1) byId("experiment").value = state.experiment = data.experiments[0].name;
  arms();
  byId("controls").hidden = byId("pager").hidden = false;
  byId("find").addEventListener("input", (event) => { Object.assign(state, { text: event.target.value, page: 0 }); refresh(); });
  byId("experiment").addEventListener("change", (event) => { Object.assign(state, { experiment: event.target.value, page: 0, sort: null }); arms(); refresh(); });
  byId("arm").addEventListener("change", (event) => { Object.assign(state, { arm: event.target.value, page: 0 }); refresh(); });
  byId("clear").addEventListener("click", () => only(null, ""));
  byId("before").addEventListener("click", () => { state.page -= 1; draw(); });
  byId("next").addEventListener("click", () => { state.page += 1; draw(); });
  for (const button of document.querySelectorAll("[data-check]")) {
    const ranges = data.checks[button.dataset.check] || [];
    if (!ranges.length) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const numbers = new Set();
      for (const [first, last] of ranges) for (let n = first; n <= last; n += 1) numbers.add(n);
      only(numbers, `check ${button.dataset.check}`);
      byId("runs").scrollIntoView();
      byId("find").focus({ preventScroll: true });
    });
  }
  window.addEventListener("hashchange", follow);
  refresh();
  follow();
})();
