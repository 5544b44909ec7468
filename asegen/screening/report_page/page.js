"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const rows = data.rows.map((row, place) => ({ ...row, place }));
  const byId = new Map(rows.map((row) => [row.id, row]));
  const $ = (id) => document.getElementById(id);
  const ROW_HEIGHT = 37, MARGIN = 12; // pixels of a row; rows drawn beyond the visible ones

  // ---- small helpers

  const node = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "class") made.className = value;
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const formula = (text) => {
    const parts = document.createDocumentFragment();
    for (const piece of (text || "").split(/(\d+(?:\.\d+)?)/)) {
      if (piece) parts.append(/^\d/.test(piece) ? node("sub", {}, piece) : piece);
    }
    return parts;
  };
  const group = (text) => { // "P4_2/m-3 (0)" with a small 2 and a bar over the 3
    const parts = document.createDocumentFragment();
    for (const piece of (text || "").split(/(-\d|_\d)/)) {
      if (piece.startsWith("-")) parts.append(`${piece[1]}\u0305`);
      else parts.append(piece.startsWith("_") ? node("sub", {}, piece[1]) : piece);
    }
    return parts;
  };
  const fixed = (value, digits) =>
    typeof value === "number" ? value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "\u2212") : "";
  const many = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const badge = (text) => (text ? node("span", { class: `badge ${text}` }, text) : "");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // ---- columns of the table

  const has = (key) => rows.some((row) => row[key] !== undefined);
  const explanations = data.columns.filter((column) => column.explains);
  const asked = has("phonons") || has("phonons_reason");
  const wanted = (column) => !column.optional || has(column.name) || explanations.some((one) => one.explains === column.name && has(one.name));
  const plain = (value, digits) => (Number.isInteger(value) || typeof value !== "number" ? String(value ?? "") : fixed(value, digits));
  const value = (column, row, digits) => (column.kind === "number" ? fixed(row[column.name], digits) : plain(row[column.name], digits));
  const SHOW = { // by a column's style
    formula: (column, row) => formula(row[column.name]),
    "space group": (column, row) => group(row[column.name]),
    badge: (column, row) => badge(row[column.name]),
    novelty: (column, row) => (row[column.name] === true ? "new" : row.known_as || ""),
  };
  const SORT = {
    "space group": (column, row) => { const number = /\((\d+)\)/.exec(row[column.name] || ""); return number ? Number(number[1]) : null; },
    badge: (column, row) => { const place = column.words.indexOf(row[column.name]); return place < 0 ? null : place; },
    novelty: (column, row) => (row[column.name] === undefined ? null : row[column.name] ? 0 : 1),
  };
  const seenIn = (view) => data.columns.filter((column) => column[view]).sort((a, b) => a[view].place - b[view].place);
  const declared = seenIn("page").filter(wanted).map((column) => ({
    key: column.name, label: column.page.label, number: column.kind === "number" || column.kind === "integer",
    title: column.meaning[0].toUpperCase() + column.meaning.slice(1) + (column.unit ? `, ${column.unit}` : ""), text: column.kind === "text" && !column.style,
    show: (row) => (SHOW[column.style] ? SHOW[column.style](column, row) : value(column, row, column.page.digits)),
    sort: SORT[column.style] && ((row) => SORT[column.style](column, row)),
  }));
  const COLUMNS = [
    { key: "rank", label: "#", number: true, title: "Rank among the candidates of its status" },
    ...declared,
    { key: "status", label: "Status", show: (row) => badge(row.status) },
    { key: "reason", label: "Reason", show: (row) => why(row) },
    { key: "name", label: "Name" },
  ];
  const why = (row) => row.reason || explanations.map((column) => row[column.name]).find(Boolean) || "";
  const valueOf = (column, row) => {
    const value = column.sort ? column.sort(row) : column.key === "reason" ? why(row) : row[column.key];
    return value === undefined || value === "" ? null : value;
  };
  for (const row of rows) {
    const words = [row.formula, row.space_group, row.id, row.name, row.source, row.status, why(row), row.known_as];
    const texts = declared.filter((column) => column.text).map((column) => row[column.key]);
    row.words = words.concat(texts, row.notes || []).join(" ").toLowerCase();
  }

  // ---- state: kept in the address, so that a view can be handed on

  const state = { sort: "", down: false, text: "", statuses: new Set(), above: "", verdict: "", novel: false, id: "" };
  let shown = rows;

  const readAddress = () => {
    const told = new URLSearchParams(location.hash.slice(1));
    state.sort = COLUMNS.some((column) => column.key === told.get("sort")) ? told.get("sort") : "";
    state.down = told.get("down") === "1";
    state.text = told.get("text") || "";
    state.statuses = new Set((told.get("status") || "").split(",").filter(Boolean));
    state.above = told.get("above") || "";
    state.verdict = told.get("verdict") || "";
    state.novel = told.get("novel") === "1";
    state.id = byId.has(told.get("id")) ? told.get("id") : "";
  };
  const writeAddress = () => {
    const told = new URLSearchParams();
    if (state.sort) told.set("sort", state.sort);
    if (state.down) told.set("down", "1");
    if (state.text) told.set("text", state.text);
    if (state.statuses.size) told.set("status", [...state.statuses].join(","));
    if (state.above) told.set("above", state.above);
    if (state.verdict) told.set("verdict", state.verdict);
    if (state.novel) told.set("novel", "1");
    if (state.id) told.set("id", state.id);
    history.replaceState(null, "", `#${told}`);
  };

  const matches = () => {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const above = parseFloat(state.above);
    return (row) =>
      words.every((word) => row.words.includes(word)) &&
      (!state.statuses.size || state.statuses.has(row.status)) &&
      (Number.isNaN(above) || (typeof row.e_hull === "number" && row.e_hull <= above)) &&
      (!state.verdict || row.phonons === state.verdict) &&
      (!state.novel || row.novel === true);
  };
  const order = () => {
    const column = COLUMNS.find((one) => one.key === state.sort);
    if (!column) return (a, b) => a.place - b.place;
    const sign = state.down ? -1 : 1;
    return (a, b) => {
      const [x, y] = [valueOf(column, a), valueOf(column, b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place; // empty ones last
      const compared = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
      return sign * compared || a.place - b.place;
    };
  };
  const apply = () => {
    shown = rows.filter(matches()).sort(order());
    writeAddress();
    for (const chip of $("chips").children) chip.setAttribute("aria-pressed", state.statuses.has(chip.dataset.status));
    for (const head of $("heads").children) {
      if (head.dataset.key !== state.sort) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    }
    const n = (value) => value.toLocaleString("en");
    $("count").textContent = shown.length === rows.length ? `${n(rows.length)} candidates` : `${n(shown.length)} of ${n(rows.length)}`;
    $("nothing").hidden = shown.length > 0;
    draw(true);
  };

  // ---- the table: only what is in sight is drawn

  const draw = (anew) => {
    const scroller = $("scroller"), body = $("body");
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW_HEIGHT) - MARGIN);
    const last = Math.min(shown.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW_HEIGHT) + MARGIN);
    if (!anew && body.dataset.range === `${first}-${last}`) return;
    body.dataset.range = `${first}-${last}`;
    const gap = (height) => node("tr", { "aria-hidden": "true" }, node("td", { class: "gap", colspan: COLUMNS.length, style: `height:${height}px` }));
    body.replaceChildren(gap(first * ROW_HEIGHT), ...shown.slice(first, last).map(line), gap((shown.length - last) * ROW_HEIGHT));
    $("table").setAttribute("aria-rowcount", shown.length);
  };
  const line = (row) => {
    const cells = COLUMNS.map((column) => {
      const kind = { formula: "formula", reason: "reason" }[column.key] || (column.number ? "number" : "");
      const content = column.show ? column.show(row) : row[column.key] ?? "";
      const long = { reason: why(row), name: `${row.name || ""} (${row.source || ""})` }[column.key];
      return node("td", { class: kind, title: long || (column.text ? row[column.key] : null) || null }, content);
    });
    return node("tr", { "data-id": row.id, "aria-selected": row.id === state.id }, ...cells);
  };
  const select = (id, scroll = true) => {
    if (!byId.has(id)) return;
    state.id = id;
    writeAddress();
    const place = shown.findIndex((row) => row.id === id), scroller = $("scroller");
    if (scroll && place >= 0) {
      const top = place * ROW_HEIGHT, seen = scroller.clientHeight - 2 * ROW_HEIGHT;
      if (top < scroller.scrollTop) scroller.scrollTop = top;
      else if (top > scroller.scrollTop + seen) scroller.scrollTop = top - seen;
    }
    draw(true);
    panel(byId.get(id));
  };
  const step = (by) => {
    if (!shown.length) return;
    const place = shown.findIndex((row) => row.id === state.id);
    select(shown[place < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, place + by))].id);
  };

  // ---- the panel

  let waiting = null;
  const panel = (row) => {
    const place = $("panel");
    const tiles = seenIn("tile")
      .filter((column) => !(column.name === "e_known" && row.e_known === row.formation_energy)) // nothing else is known
      .map((column) => [column.tile.label, value(column, row, column.tile.digits), column.unit])
      .filter(([, text]) => text !== "");
    place.replaceChildren(
      node("div", { class: "name" }, node("h2", {}, row.formula ? formula(row.formula) : row.name || row.id),
        node("span", { class: "faint" }, group(row.space_group)), badge(row.status), row.phonons ? badge(row.phonons) : null,
        row.novel === true ? node("span", { class: "badge ok" }, "new") : null),
      row.reason ? node("p", { class: "why" }, row.reason) : "",
      opinions(row),
      node("dl", { class: "tiles" }, ...tiles.map(([name, value, unit]) =>
        node("div", {}, node("dt", {}, name), node("dd", {}, `${value} `, node("small", {}, unit))))),
    );
    const figures = [];
    const figure = (title, kind, plot, ...rest) => {
      const space = node("div", { class: `figure ${kind} pending` }, "…");
      place.append(node("h3", {}, title), space, ...rest);
      figures.push([space, plot]);
    };
    const crystal = data.crystals[row.id];
    if (crystal) figure("Crystal", "crystal", (space) => plotCrystal(space, crystal), crystalCaption(row, crystal));
    const system = elementsOf(row).join("-"), byDft = { ...row, decomposes_into: row.decomposes_into_dft, second_formation_energy: undefined };
    const hullFigure = (hull, of, by) => figure(`${hull.elements.length > 3 ? "Energies above the hull" : `Hull of ${hull.elements.join("\u2013")}`}${by}`, "plot", (space) => plotHull(space, hull, of), hullCaption(hull, of));
    for (const hull of data.hulls[system] || []) hullFigure(hull, row, "");
    for (const hull of data.dft_hulls[system] || []) if (hull.energy_scale === row.energy_scale_dft) hullFigure(hull, byDft, ", by DFT");
    for (const [title, found] of [["Phonons", data.phonons[row.id]], ["Phonons by the second potential", data.second_phonons[row.id]]]) {
      if (!found) continue;
      const cells = `Supercell ${found.supercell.join(" × ")}, ${found.n_atoms} atoms, ${many(found.n_displacements, "displacement")}`;
      const farther = found.lowest_of_farther === null ? "" : `; ${fixed(found.lowest_of_farther, 2)} THz when displaced farther`;
      const nearer = found.lowest_of_nearer === null ? "" : `; ${fixed(found.lowest_of_nearer, 2)} THz when displaced less: the potential has a cusp there`;
      const larger = found.lowest_of_larger === null ? "" : `; ${fixed(found.lowest_of_larger, 2)} THz in a larger supercell`;
      figure(title, "plot", (space) => plotPhonons(space, found), node("p", { class: "caption" }, cells + farther + nearer + larger));
    }
    const equation = data.eos[row.id], vibrations = data.thermal[row.id];
    if (equation) figure("Equation of state", "plot", (space) => plotEquation(space, equation), node("p", { class: "caption" }, "Energies relaxed at each volume, and Birch and Murnaghan's equation through them"));
    if (vibrations) figure("Free energy and heat capacity of the vibrations", "plot", (space) => plotVibrations(space, vibrations), node("p", { class: "caption" },
      node("span", {}, swatch("--accent"), "free energy"), node("span", {}, swatch("--unconverged"), "heat capacity at constant volume"), node("span", {}, "Harmonic, at the relaxed volume.")));
    place.append(node("h3", {}, "Record"), node("dl", { class: "pairs" }, ...record(row)));
    place.scrollTop = 0;
    clearTimeout(waiting); // who runs through the rows waits for no figure
    waiting = setTimeout(() => {
      for (const [space, plot] of figures) {
        if (!space.isConnected) continue;
        space.classList.remove("pending");
        space.textContent = "";
        try { plot(space); } catch (error) { space.textContent = `No figure: ${error.message}`; }
      }
    }, 60);
  };
  const swatch = (name) => node("i", { style: `background:${style(name)}` });
  const opinions = (row) => { // both, in a sentence; where they differ, neither is to be believed
    if (row.second_e_hull === undefined && !row.second_reason) return "";
    if (row.second_reason) return node("p", { class: "why" }, `No second opinion: ${row.second_reason}`);
    const error = (value) => (value === undefined ? "" : ` \u00b1 ${fixed(value, 3)}`);
    const energies = `${fixed(row.e_hull, 3)}${error(row.e_hull_error)} and, by the second potential, ${fixed(row.second_e_hull, 3)}${error(row.second_e_hull_error)} eV/atom above the hull`;
    const stability = row.phonons && row.second_phonons ? `; phonons ${row.phonons} and ${row.second_phonons}` : "";
    const differ = row.opinions && row.opinions !== "agree";
    return node("p", { class: differ ? "why differ" : "why" }, `${row.opinions ? `${row.opinions[0].toUpperCase()}${row.opinions.slice(1)}: ` : ""}${energies}${stability}.`);
  };
  const elementsOf = (row) => [...new Set((row.formula || "").match(/[A-Z][a-z]?/g) || [])].sort();
  const record = (row) => {
    const told = [
      ["id", row.id], ["name", row.name], ["source", row.source ? `${row.source}, entry ${row.index}` : ""],
      ["last stage", row.stage],
      ["space group", row.space_group_before && row.space_group_before !== row.space_group ? `${row.space_group_before}, then ${row.space_group}` : row.space_group],
      ["pre-relaxation", row.prerelax_status ? `${row.prerelax_status}, ${many(row.prerelax_steps ?? 0, "move")}` : ""],
      ["relaxation", typeof row.steps === "number" ? `${many(row.steps, "step")}, ${many(row.force_calls ?? row.steps + 1, "force call")}, ${fixed(row.fmax, 3)} eV/Å left` : ""],
      ["energy gained", typeof row.energy === "number" && typeof row.first_energy === "number" ? `${fixed(row.first_energy - row.energy, 3)} eV/atom` : ""],
      ["energy scale", row.energy_scale], ["verdict", row.hull_verdict && row.e_hull_error ? `${row.hull_verdict} (mean error ${fixed(row.e_hull_error, 3)} eV/atom)` : row.hull_verdict], ["composition", row.known_composition ? `known, ${row.known_composition}` : ""], ["no hull energy", row.e_hull_reason],
      ["phonons", row.phonons_reason], ["phonons by the second potential", row.second_phonons_reason], ["known as", row.known_as],
      ["DFT", row.dft_reason || row.e_hull_dft_reason], ["DFT output", row.dft_output ? `${row.dft_output}${row.energy_scale_dft ? ` (${row.energy_scale_dft})` : ""}` : ""],
      ["worker time", row.seconds ? `${fixed(row.seconds, 1)} s` : ""],
    ].filter(([, value]) => value !== "" && value !== undefined && value !== null);
    const made = told.flatMap(([name, value]) => [node("dt", {}, name), node("dd", {}, String(value))]);
    const jump = (id) => node("a", { href: `#id=${id}`, onclick: (event) => { event.preventDefault(); select(id); } }, id);
    if (row.duplicate_of) made.push(node("dt", {}, "same crystal as"), node("dd", {}, jump(row.duplicate_of)));
    if (row.duplicates) made.push(node("dt", {}, "copies"), node("dd", {}, ...row.duplicates.slice(0, 20).flatMap((id) => [jump(id), " "]), row.duplicates.length > 20 ? `and ${row.duplicates.length - 20} more` : ""));
    for (const note of row.notes || []) made.push(node("dt", {}, "note"), node("dd", {}, note));
    for (const [kind, path] of Object.entries(row.artifacts || {})) {
      made.push(node("dt", {}, "files"), node("dd", {}, node("a", { href: `${encodeURI(path)}/` }, path), ` (${kind})`));
    }
    return made;
  };
  const crystalCaption = (row, crystal) => {
    const caption = node("div", { class: "caption" });
    for (const symbol of crystal.symbols) {
      caption.append(node("span", {}, node("i", { style: `background:${data.elements[symbol].color}` }), symbol));
    }
    const lengths = crystal.cell.map((v) => Math.hypot(...v));
    caption.append(node("span", {}, `a, b, c ${lengths.map((x) => x.toFixed(2)).join(", ")} Å`));
    const save = () => download(`${row.formula || row.id}-${row.id}.vasp`, poscar(row, crystal), "text/plain");
    caption.append(node("button", { type: "button", onclick: save }, "Save as POSCAR"));
    return caption;
  };

  const hullCaption = (hull, row) => {
    const others = hull.phases.filter((phase) => phase.kind === "competing" || phase.kind === "known").length;
    const text = others ? `${many(others, "known phase")} besides the elements` : "No known phases but the elements: only these candidates compete";
    const below = row.decomposes_into ? node("span", {}, `Decomposes into ${row.decomposes_into}.`) : null;
    const second = hull.elements.length === 2 && typeof row.second_formation_energy === "number" ? node("span", {}, "\u00d7: by the second potential.") : null;
    return node("p", { class: "caption" }, below, second, node("span", {}, `${text}. Energies: ${hull.energy_scale}.`));
  };

  // ---- figures; plotly is read when the first one is drawn

  const plotly = () => {
    if (!window.Plotly) {
      const script = node("script");
      script.textContent = $("plotly").textContent;
      document.head.append(script);
    }
    return window.Plotly;
  };
  const layout = (more) => ({
    modebar: { bgcolor: "rgba(0,0,0,0)", color: style("--faint"), activecolor: style("--accent") },
    margin: { l: 64, r: 12, t: 10, b: 38 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: style("--ink") },
    hoverlabel: { bgcolor: style("--card"), bordercolor: style("--line"), font: { color: style("--ink") } },
    showlegend: false, ...more,
  });
  const axis = (more) => ({
    gridcolor: style("--line"), linecolor: style("--line"), zeroline: false, tickcolor: style("--line"), ...more,
  });
  const CONFIG = { displaylogo: false, responsive: true, displayModeBar: "hover", showSendToCloud: false,
    modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d", "tableRotation", "resetCameraLastSave3d", "zoom3d", "pan3d", "orbitRotation"] };

  const sphere = (levels) => { // vertices and triangles of an icosphere
    const t = (1 + Math.sqrt(5)) / 2, at = [], middle = new Map();
    const add = (x, y, z) => { const r = Math.hypot(x, y, z); return at.push([x / r, y / r, z / r]) - 1; };
    for (const a of [-1, 1]) for (const b of [-t, t]) { add(a, b, 0); add(0, a, b); add(b, 0, a); }
    let faces = [];
    for (let i = 0; i < 12; i++) for (let j = i + 1; j < 12; j++) for (let k = j + 1; k < 12; k++) {
      const near = (p, q) => Math.hypot(...at[p].map((x, n) => x - at[q][n])) < 1.2;
      const [p, q, r] = [at[i], at[j], at[k]]; // corners run counter-clockwise, seen from outside
      const turn = p[0] * (q[1] * r[2] - q[2] * r[1]) - p[1] * (q[0] * r[2] - q[2] * r[0]) + p[2] * (q[0] * r[1] - q[1] * r[0]);
      if (near(i, j) && near(j, k) && near(i, k)) faces.push(turn > 0 ? [i, j, k] : [i, k, j]);
    }
    for (let level = 0; level < levels; level++) {
      const split = (p, q) => {
        const key = p < q ? `${p} ${q}` : `${q} ${p}`;
        if (!middle.has(key)) middle.set(key, add(...at[p].map((x, n) => x + at[q][n])));
        return middle.get(key);
      };
      faces = faces.flatMap(([a, b, c]) => {
        const [p, q, r] = [split(a, b), split(b, c), split(a, c)];
        return [[a, p, r], [p, b, q], [r, q, c], [p, q, r]];
      });
    }
    return { at, faces };
  };
  const mesh = (more) => ({
    type: "mesh3d", x: [], y: [], z: [], i: [], j: [], k: [], flatshading: false, hovertemplate: "%{meta}<extra></extra>",
    lighting: { ambient: 0.62, diffuse: 0.7, specular: 0.25, roughness: 0.5, fresnel: 0.05 },
    lightposition: { x: 200, y: -600, z: 900 }, ...more,
  });
  const grow = (trace, at, faces) => {
    const start = trace.x.length;
    for (const [x, y, z] of at) { trace.x.push(x); trace.y.push(y); trace.z.push(z); }
    for (const [a, b, c] of faces) { trace.i.push(start + a); trace.j.push(start + b); trace.k.push(start + c); }
  };
  const tube = (trace, from, to, radius) => {
    const along = to.map((x, n) => x - from[n]), length = Math.hypot(...along), w = along.map((x) => x / length);
    const cross = (p, q) => [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]];
    let u = cross(w, Math.abs(w[0]) < 0.8 ? [1, 0, 0] : [0, 1, 0]);
    u = u.map((x) => x / Math.hypot(...u));
    const v = cross(w, u), at = [], faces = [], n = 8;
    for (let s = 0; s < n; s++) {
      const [c, d] = [Math.cos((2 * Math.PI * s) / n) * radius, Math.sin((2 * Math.PI * s) / n) * radius];
      const out = u.map((x, m) => c * x + d * v[m]);
      at.push(out.map((x, m) => from[m] + x), out.map((x, m) => to[m] + x));
      const [a, b, e, f] = [2 * s, 2 * s + 1, (2 * s + 2) % (2 * n), (2 * s + 3) % (2 * n)];
      faces.push([a, b, e], [b, f, e]);
    }
    grow(trace, at, faces);
  };
  const combine = (s, cell) => [0, 1, 2].map((n) => s[0] * cell[0][n] + s[1] * cell[1][n] + s[2] * cell[2][n]);

  const plotCrystal = (space, crystal) => {
    const { cell, symbols, species } = crystal, atoms = [];
    crystal.positions.forEach((given, k) => { // atoms on the cell's faces are shown on the opposite ones, too
      const base = given.map((x) => (x > 0.9999 || x < 1e-4 ? 0 : x));
      const ends = base.map((x) => (x === 0 ? [0, 1] : [x]));
      for (const a of ends[0]) for (const b of ends[1]) for (const c of ends[2]) atoms.push([species[k], combine([a, b, c], cell)]);
    });
    const unit = sphere(atoms.length > 160 ? 1 : 2), traces = [];
    symbols.forEach((symbol, kind) => {
      const { color, radius } = data.elements[symbol], size = 0.42 * Math.sqrt(radius), trace = mesh({ color, meta: symbol });
      for (const [of, where] of atoms) if (of === kind) grow(trace, unit.at.map((v) => v.map((x, n) => where[n] + size * x)), unit.faces);
      traces.push(trace);
    });
    const bonds = mesh({ color: "#b9bcc1", hoverinfo: "skip" });
    const alloy = symbols.length === 1 || symbols.every((symbol) => data.elements[symbol].metal); // else metals bind to others
    for (let p = 0; p < atoms.length && atoms.length <= 400; p++) for (let q = 0; q < p; q++) {
      const [one, other] = [data.elements[symbols[atoms[p][0]]], data.elements[symbols[atoms[q][0]]]];
      const reach = 1.13 * (one.radius + other.radius), kin = one === other || (one.metal && other.metal);
      if ((alloy || !kin) && Math.hypot(...atoms[p][1].map((x, n) => x - atoms[q][1][n])) < reach) tube(bonds, atoms[p][1], atoms[q][1], 0.07);
    }
    if (bonds.x.length) traces.push(bonds);
    const edges = { type: "scatter3d", mode: "lines", x: [], y: [], z: [], hoverinfo: "skip", line: { color: style("--faint"), width: 2 } };
    for (const s of [[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]]) for (let n = 0; n < 3; n++) {
      for (const end of [s, s.map((x, m) => (m === n ? 1 - x : x))]) { const at = combine(end, cell); edges.x.push(at[0]); edges.y.push(at[1]); edges.z.push(at[2]); }
      edges.x.push(null); edges.y.push(null); edges.z.push(null);
    }
    const ends = cell.map((v) => v.map((x) => x + (0.9 * x) / Math.hypot(...v)));
    const names = { type: "scatter3d", mode: "text", text: ["a", "b", "c"], x: ends.map((e) => e[0]), y: ends.map((e) => e[1]), z: ends.map((e) => e[2]), hoverinfo: "skip", textfont: { color: style("--faint"), size: 13 } };
    const hidden = { visible: false }, all = [...traces, edges, names];
    const [x, y, z] = ["x", "y", "z"].map((key) => {
      const values = all.flatMap((trace) => trace[key]).filter((value) => value !== null);
      return values.reduce((most, value) => Math.max(most, value), -Infinity) - values.reduce((least, value) => Math.min(least, value), Infinity);
    });
    const longest = Math.max(x, y, z), room = Math.min(1.4, (1.73 * longest) / Math.hypot(x, y, z)); // for slender cells
    const aspectratio = { x: (room * x) / longest, y: (room * y) / longest, z: (room * z) / longest };
    return plotly().newPlot(space, all, layout({
      margin: { l: 0, r: 0, t: 0, b: 0 },
      scene: { aspectmode: "manual", aspectratio, dragmode: "orbit", xaxis: hidden, yaxis: hidden, zaxis: hidden,
        camera: { eye: { x: 0.6, y: -1.78, z: 0.6 }, up: { x: 0, y: 0, z: 1 } } },
    }), CONFIG);
  };

  const plotHull = (space, hull, row) => {
    const plots = { 2: binary, 3: ternary }, drawn = (plots[hull.elements.length] || ladder)(hull, row);
    const made = plotly().newPlot(space, drawn.traces, layout(drawn.layout), CONFIG);
    space.on("plotly_click", (event) => { // a candidate leads to its row
      const id = event.points[0].customdata;
      if (byId.has(id) && id !== state.id) select(id);
    });
    return made;
  };
  const named = (phase) => `${phase.formula} · ${phase.kind === "candidate" ? phase.id : phase.kind === "known" ? "known (Materials Project)" : `${phase.kind} ${phase.id}`}<br>${fixed(phase.e_hull, 3)} eV/atom above the hull`;
  const points = (phases, row, extra) => ({
    mode: "markers", customdata: phases.map((phase) => phase.id), text: phases.map(named), hovertemplate: "%{text}<extra></extra>",
    marker: {
      size: phases.map((phase) => (phase.id === row.id ? 13 : phase.kind === "candidate" ? 8 : 7)),
      symbol: phases.map((phase) => (phase.kind === "candidate" ? "circle" : "diamond")),
      color: phases.map((phase) => (phase.id === row.id ? style("--unconverged") : phase.e_hull <= 1e-6 ? style("--accent") : style("--card"))),
      line: { width: 1.5, color: phases.map((phase) => (phase.id === row.id ? style("--ink") : phase.kind === "candidate" ? style("--accent") : style("--faint"))) },
      opacity: 1,
    }, cliponaxis: false, ...extra,
  });
  const compounds = (hull) => hull.phases.filter((phase) => phase.e_hull <= 1e-6 && Math.max(...phase.fractions) < 1);
  const label = (phase) => `<br>${phase.formula.replace(/(\d+)/g, "<sub>$1</sub>")}`; // a line below its point
  const ordered = (hull, row) => [...hull.phases].sort((a, b) => (a.id === row.id) - (b.id === row.id) || b.e_hull - a.e_hull);
  const binary = (hull, row) => {
    const phases = ordered(hull, row), ends = hull.tie_lines.flatMap(([i, j]) => [hull.phases[i], hull.phases[j], null]);
    const lowest = Math.min(...phases.map((phase) => phase.formation_energy));
    const own = hull.phases.find((phase) => phase.id === row.id);
    const top = Math.max(0.06, -0.18 * lowest, own ? 1.15 * own.formation_energy : 0);
    const stable = compounds(hull);
    return {
      traces: [
        { mode: "lines", x: ends.map((p) => p && p.fractions[1]), y: ends.map((p) => p && p.formation_energy), hoverinfo: "skip", line: { color: style("--accent"), width: 2 } },
        points(phases, row, { x: phases.map((p) => p.fractions[1]), y: phases.map((p) => p.formation_energy) }),
        ...(own && typeof row.second_formation_energy === "number" ? [{ mode: "markers", x: [own.fractions[1]], y: [row.second_formation_energy], hovertemplate: "by the second potential<extra></extra>", marker: { symbol: "x-thin", size: 10, line: { width: 2, color: style("--ink") } } }] : []),
        { mode: "text", x: stable.map((p) => p.fractions[1]), y: stable.map((p) => p.formation_energy), text: stable.map(label), textposition: "bottom center", hoverinfo: "skip", cliponaxis: false },
      ],
      layout: {
        xaxis: axis({ title: { text: `Fraction of ${hull.elements[1]}` }, range: [-0.03, 1.03] }),
        yaxis: axis({ title: { text: "Formation energy (eV/atom)" }, range: [lowest - 0.14 * (top - lowest), top] }),
      },
    };
  };
  const ternary = (hull, row) => {
    const phases = ordered(hull, row), corner = (some) => ({ a: some.map((p) => p && p.fractions[2]), b: some.map((p) => p && p.fractions[0]), c: some.map((p) => p && p.fractions[1]) });
    const ends = hull.tie_lines.flatMap(([i, j]) => [hull.phases[i], hull.phases[j], null]);
    const stable = compounds(hull);
    const side = (k) => axis({ title: { text: hull.elements[k] }, showticklabels: false, ticks: "", showgrid: false });
    return {
      traces: [
        { type: "scatterternary", mode: "lines", ...corner(ends), hoverinfo: "skip", line: { color: style("--accent"), width: 1.5 } },
        points(phases, row, { type: "scatterternary", ...corner(phases) }),
        { type: "scatterternary", mode: "text", ...corner(stable), text: stable.map(label), textposition: "bottom center", hoverinfo: "skip", cliponaxis: false },
      ],
      layout: { margin: { l: 40, r: 40, t: 34, b: 34 }, ternary: { aaxis: side(2), baxis: side(0), caxis: side(1), bgcolor: "rgba(0,0,0,0)" } },
    };
  };
  const ladder = (hull, row) => { // beyond three elements: what competes, in order
    const near = hull.phases.filter((phase) => phase.kind === "candidate" || phase.e_hull <= 0.2).slice(0, 14);
    if (!near.some((phase) => phase.id === row.id)) near.push(...hull.phases.filter((phase) => phase.id === row.id));
    near.reverse();
    return {
      traces: [{ type: "bar", orientation: "h", x: near.map((p) => p.e_hull), y: near.map((p, k) => k), customdata: near.map((p) => p.id), text: near.map(named), textposition: "none", hovertemplate: "%{text}<extra></extra>",
        marker: { color: near.map((p) => (p.id === row.id ? style("--unconverged") : style("--accent"))) } }],
      layout: { margin: { l: 110, r: 12, t: 10, b: 38 }, bargap: 0.35, xaxis: axis({ title: { text: "eV/atom above the hull" }, rangemode: "tozero" }),
        yaxis: axis({ tickvals: near.map((p, k) => k), ticktext: near.map((p) => p.formula), showgrid: false }) },
    };
  };

  const plotPhonons = (space, found) => {
    const name = (label) => (label === "G" ? "Γ" : label.replace(/(\d+)$/, "<sub>$1</sub>"));
    const traces = [], ticks = [], labels = [];
    found.bands.forEach((segment, k) => {
      for (const branch of segment.frequencies) traces.push({ mode: "lines", x: segment.distance, y: branch, line: { color: style("--accent"), width: 1.4 }, hovertemplate: "%{y:.2f} THz<extra></extra>" });
      const before = k ? found.bands[k - 1].labels[1] : null;
      ticks.push(segment.distance[0]);
      labels.push(before && before !== segment.labels[0] ? `${name(before)}|${name(segment.labels[0])}` : name(segment.labels[0]));
    });
    const last = found.bands[found.bands.length - 1], end = last.distance[last.distance.length - 1];
    ticks.push(end); labels.push(name(last.labels[1]));
    const all = found.bands.flatMap((segment) => segment.frequencies.flat());
    const low = Math.min(0, ...all), high = Math.max(...all), room = 0.05 * (high - low);
    traces.push({ mode: "lines", x: found.dos, y: found.dos_frequencies, xaxis: "x2", fill: "tozerox", fillcolor: style("--accent-soft"), line: { color: style("--accent"), width: 1.2 }, hovertemplate: "%{y:.2f} THz: %{x:.2f} states/THz<extra></extra>" });
    const across = (y, color, dash) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: y, y1: y, line: { color, width: 1, dash } });
    const shapes = ticks.map((x) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: style("--line"), width: 1 } }));
    shapes.push(across(0, style("--faint"), "solid"));
    if (low < data.limits.unstable) shapes.push({ type: "rect", xref: "paper", x0: 0, x1: 1, y0: low - room, y1: 0, fillcolor: style("--unstable"), opacity: 0.09, line: { width: 0 } });
    return plotly().newPlot(space, traces, layout({
      shapes,
      xaxis: axis({ domain: [0, 0.76], tickvals: ticks, ticktext: labels, tickangle: 0, range: [0, end], showgrid: false }),
      xaxis2: axis({ domain: [0.8, 1], title: { text: "DOS" }, showticklabels: false, showgrid: false, rangemode: "tozero" }),
      yaxis: axis({ title: { text: "Frequency (THz)" }, range: [low < -0.05 ? low - room : 0, high + room] }),
    }), CONFIG);
  };

  const plotEquation = (space, found) => plotly().newPlot(space, [
    { mode: "lines", x: found.curve_volumes, y: found.curve, hoverinfo: "skip", line: { color: style("--accent"), width: 1.6 } },
    { mode: "markers", x: found.volumes, y: found.energies, marker: { size: 8, color: style("--card"), line: { width: 1.5, color: style("--accent") } }, hovertemplate: "%{x:.2f} Å³/atom: %{y:.1f} meV/atom<extra></extra>", cliponaxis: false },
  ], layout({ xaxis: axis({ title: { text: "Volume (Å³/atom)" } }), yaxis: axis({ title: { text: "Energy (meV/atom)" }, rangemode: "tozero" }) }), CONFIG);

  const plotVibrations = (space, found) => {
    const classical = 24.943; // J/(K mol), Dulong and Petit
    return plotly().newPlot(space, [
      { mode: "lines", x: found.temperature, y: found.free_energy, line: { color: style("--accent"), width: 1.8 }, hovertemplate: "%{x} K: %{y:.1f} meV/atom<extra></extra>" },
      { mode: "lines", x: found.temperature, y: found.heat_capacity, yaxis: "y2", line: { color: style("--unconverged"), width: 1.8 }, hovertemplate: "%{x} K: %{y:.2f} J/(K mol)<extra></extra>" },
    ], layout({
      margin: { l: 64, r: 54, t: 10, b: 38 },
      shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, yref: "y2", y0: classical, y1: classical, line: { color: style("--faint"), width: 1, dash: "dot" } }],
      xaxis: axis({ title: { text: "Temperature (K)" }, range: [0, found.temperature[found.temperature.length - 1]] }),
      yaxis: axis({ title: { text: "Free energy (meV/atom)" } }),
      yaxis2: axis({ title: { text: "Heat capacity (J/(K mol))" }, overlaying: "y", side: "right", showgrid: false, tickmode: "linear", dtick: 5, range: [0, 1.08 * Math.max(classical, ...found.heat_capacity)] }),
    }), CONFIG);
  };

  // ---- files for the user

  const download = (name, content, type) => {
    const link = node("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const poscar = (row, crystal) => {
    const of = crystal.symbols.map((symbol, kind) => crystal.positions.filter((p, k) => crystal.species[k] === kind));
    const numbers = (list) => list.map((x) => x.toFixed(6).padStart(12)).join(" ");
    return [`${row.formula || ""} ${row.id}`, "1.0", ...crystal.cell.map(numbers), crystal.symbols.join(" "), of.map((p) => p.length).join(" "), "Direct", ...of.flat().map(numbers), ""].join("\n");
  };
  const table = () => {
    const keys = ["id", "name", "rank", "formula", "space_group", "n_atoms", "e_hull", "e_known", "formation_energy", "energy", "energy_scale", "phonons", "lowest_frequency", "novel", "known_as", "status", "reason", "source", "index"];
    const others = seenIn("page").concat(seenIn("tile")).map((column) => column.name).filter((name) => !keys.includes(name));
    keys.splice(keys.indexOf("status"), 0, ...new Set(others));
    const quote = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    return [keys.join(","), ...shown.map((row) => keys.map((key) => quote(String(row[key] ?? ""))).join(","))].join("\r\n") + "\r\n";
  };

  // ---- begin

  const paint = (theme) => {
    document.documentElement.dataset.theme = theme;
    $("theme").textContent = theme === "dark" ? "Light" : "Dark";
    if (state.id) panel(byId.get(state.id));
  };
  const fill = () => { $("search").value = state.text; $("above").value = state.above; $("verdict").value = state.verdict; $("novel").checked = state.novel; };

  $("heads").append(...COLUMNS.map((column) => node("th", { "data-key": column.key, class: column.number ? "number" : "", scope: "col", title: column.title || null },
    node("button", { type: "button", onclick: () => {
      if (state.sort !== column.key) { state.sort = column.key; state.down = false; } else if (!state.down) state.down = true; else { state.sort = ""; state.down = false; }
      apply();
    } }, column.label))));
  $("chips").addEventListener("click", (event) => {
    const chip = event.target.closest("[data-status]");
    if (!chip) return;
    if (!state.statuses.delete(chip.dataset.status)) state.statuses.add(chip.dataset.status);
    apply();
  });
  const hear = (id, type, set) => $(id).addEventListener(type, () => { set($(id)); $("scroller").scrollTop = 0; apply(); });
  hear("search", "input", (field) => { state.text = field.value; });
  hear("above", "input", (field) => { state.above = field.value; });
  hear("verdict", "change", (field) => { state.verdict = field.value; });
  hear("novel", "change", (field) => { state.novel = field.checked; });
  $("verdict-label").hidden = !asked;
  $("novel-label").hidden = !has("novel");
  $("reset").addEventListener("click", () => {
    Object.assign(state, { sort: "", down: false, text: "", above: "", verdict: "", novel: false, statuses: new Set() });
    fill(); apply();
  });
  $("csv").addEventListener("click", () => download("candidates.csv", table(), "text/csv"));
  $("theme").addEventListener("click", () => paint(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  $("scroller").addEventListener("scroll", () => draw(false), { passive: true });
  window.addEventListener("resize", () => draw(false));
  window.addEventListener("hashchange", () => { readAddress(); fill(); apply(); if (state.id) select(state.id); });
  $("body").addEventListener("click", (event) => {
    const row = event.target.closest("[data-id]");
    if (row) { select(row.dataset.id, false); $("scroller").focus({ preventScroll: true }); }
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) { event.preventDefault(); $("search").focus(); }
    else if (event.key === "Escape" && typing) event.target.blur();
    else if (typing && event.target.id !== "search") return;
    else if (["ArrowDown", "ArrowUp", "PageDown", "PageUp"].includes(event.key)) {
      event.preventDefault();
      step({ ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[event.key]);
    } else if (!typing && (event.key === "Home" || event.key === "End")) { event.preventDefault(); step(event.key === "Home" ? -rows.length : rows.length); }
  });

  readAddress();
  paint(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  fill();
  apply();
  if (shown.length) select(state.id || shown[0].id);
})();
