"use strict";
// Draws the figures of the problem that is chosen. All numbers come from the JSON in the page.
(async () => {
  const byId = (id) => document.getElementById(id);
  await loadPlotly();
  const overview = JSON.parse(await unpack("data-overview"));
  const all = async (kind) => Promise.all([...byId("choose-problem").options].map((one) => unpack(`${kind}-${one.value}`)));
  const [texts, tables] = [await all("data"), await all("tables")];
  byId("settings-and-versions").innerHTML = await unpack("tables-settings");
  const looks = overview.looks;
  const hidden = new Set();
  const problems = new Map();
  let problem = null;

  const config = {
    responsive: true,
    displaylogo: false,
    displayModeBar: "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg" },
  };
  const narrow = () => window.innerWidth < 640;

  function layout(x, y, more = {}) {
    const axis = { gridcolor: "#e9edf1", linecolor: "#aab4bf", zeroline: false, automargin: true, ticks: "outside", tickcolor: "#aab4bf", ticklen: 4 };
    const titled = (given) => ({ ...axis, ...given, title: { text: given.title, standoff: 8, font: { size: 13 } } });
    return {
      font: { family: "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", size: 12, color: "#1d2530" },
      paper_bgcolor: "#fff", plot_bgcolor: "#fff", showlegend: false,
      margin: { l: 52, r: narrow() ? 8 : 16, t: 12, b: 46 },
      hoverlabel: { align: "left", bgcolor: "#fff", bordercolor: "#aab4bf", font: { size: 12, color: "#1d2530" } },
      dragmode: narrow() ? false : "zoom",
      ...more, xaxis: titled(x), yaxis: titled(y),
    };
  }
  const countAxis = (more) => ({ title: "evaluations", type: "log", dtick: 1, tickformat: ",d", ...more });
  const draw = (id, traces, shape) => Plotly.react(byId(id), traces, shape, config);
  // Names and titles come from the user; plotly takes some tags in texts for markup.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  // A long name would leave no room for the figure on a phone.
  const label = (name) => plain(narrow() && name.length > 16 ? `${name.slice(0, 15)}…` : name);
  const rgba = (colour, alpha) => `rgba(${[1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)).join(",")},${alpha})`;
  const shown = (entries) => problem.ranking.filter((name) => name in entries && !hidden.has(name));
  const lineOf = (name, width = 2) => ({ color: looks[name].colour, dash: looks[name].line, width });
  const percent = (share) => `${+(100 * share).toPrecision(12)} %`;

  function anyTime() {
    const gap = byId("any-time-scale").value === "gap";
    const bands = byId("any-time-bands").checked;
    const value = (v) => (gap ? Math.max(1 - v, 1e-6) : v);
    const traces = [];
    for (const name of shown(problem.anyTime)) {
      const own = problem.anyTime[name];
      if (bands) {
        traces.push({ x: own.at.concat(own.at.slice().reverse()), y: own.upper.map(value).concat(own.lower.map(value).reverse()), fill: "toself", fillcolor: rgba(looks[name].colour, 0.15), line: { width: 0 }, mode: "lines", hoverinfo: "skip" });
      }
      traces.push({ x: own.at, y: own.median.map(value), name: plain(name), mode: "lines", line: lineOf(name), customdata: own.at.map((_, n) => [own.median[n], own.lower[n], own.upper[n]]),
        hovertemplate: "%{x:,d} evaluations<br>median %{customdata[0]:.5f}<br>quartiles %{customdata[1]:.5f} to %{customdata[2]:.5f}<extra>" + plain(name) + "</extra>" });
    }
    const y = gap ? { title: "1 − hypervolume ratio", type: "log", dtick: 1, exponentformat: "power" } : { title: "hypervolume ratio", rangemode: "tozero" };
    draw("chart-any-time", traces, layout(countAxis(), y));
  }

  function reached() {
    const key = byId("reached-target").value;
    const end = Math.log10(problem.budgets[problem.budgets.length - 1]);
    const traces = shown(problem.reached).map((name) => {
      const own = problem.reached[name][key] || { at: [], share: [], end: 1 };
      const last = own.share.length ? own.share[own.share.length - 1] : 0;
      return { x: [1, ...own.at, own.end], y: [0, ...own.share, last], name: plain(name), mode: "lines", line: { ...lineOf(name), shape: "hv" },
        hovertemplate: "%{x:,d} evaluations: %{y:.0%}<extra>" + plain(name) + "</extra>" };
    });
    const title = key === "all" ? "share of runs and targets" : "share of runs";
    draw("chart-reached", traces, layout(countAxis({ range: [0, end + 0.02] }), { title, range: [-0.02, 1.02], tickformat: ".0%" }));
  }

  const optionOf = (letter) => (letter < "\u0100" ? parseInt(letter, 36) : letter.codePointAt(0) - 0x100);

  // One network as lines of text: a character per gene, "-" for a gene without effect.
  function network(row) {
    const lines = problem.metrics.map((metric, n) => `${plain(metric.label)} ${+problem.networks.metrics[n][row].toPrecision(4)}${plain(metric.unit)}`);
    const letters = [...problem.networks.genes[row]];
    if (letters.length > 40) { // their names would fill the screen
      const values = letters.map((letter, n) => (letter === "-" ? "-" : problem.genes[n].options[optionOf(letter)]));
      for (let start = 0; start < values.length; start += 25) lines.push(plain(values.slice(start, start + 25).join(" ")));
      return lines.join("<br>");
    }
    const genes = [];
    letters.forEach((letter, n) => {
      if (letter === "-") return;
      const [head, ...rest] = problem.genes[n].name.split("_");
      const text = `${rest.join(" ")} ${problem.genes[n].options[optionOf(letter)]}`.trim();
      if (genes.length && rest.length && genes[genes.length - 1][0] === head) genes[genes.length - 1][1] += `, ${text}`;
      else genes.push([head, text]);
    });
    return lines.concat([""], genes.map(([head, text]) => plain(`${head} ${text}`))).join("<br>");
  }

  const cumulated = (values, better) => values.reduce((kept, v) => (kept.push(kept.length ? better(kept[kept.length - 1], v) : v), kept), []);

  function fronts() {
    const [across, upwards] = byId("front-pair").value.split(",").map(Number);
    const joined = problem.axes.length === 2;
    const at = (columns, order) => [across, upwards].map((column) => order.map((row) => columns[column][row]));
    const sorted = (columns, rows) => rows.slice().sort((a, b) => columns[across][a] - columns[across][b]);
    const everyone = sorted(problem.reference, problem.reference[0].map((_, row) => row));
    const [rx, ry] = at(problem.reference, everyone);
    const traces = [{ x: rx, y: ry, name: "reference", mode: joined ? "lines" : "markers", line: { color: "#ccd2d9", width: 10, shape: "hv" }, marker: { color: "#c4cad1", size: 5 }, hoverinfo: "skip", type: "scatter" }];
    // The leading algorithm last, so that worse points do not hide its own.
    for (const name of shown(problem.fronts).reverse()) {
      const rows = sorted(problem.networks.F, problem.fronts[name]);
      const [x, y] = at(problem.networks.F, rows);
      traces.push({ x, y, name: plain(name), mode: joined ? "lines+markers" : "markers", line: { ...lineOf(name, 1.4), shape: "hv" }, type: "scatter",
        marker: { color: looks[name].colour, symbol: looks[name].mark, size: 5, opacity: joined ? 1 : 0.7 },
        text: rows.map(network), hovertemplate: "%{text}<extra>" + plain(name) + "</extra>" });
    }
    const [x, y] = [problem.axes[across], problem.axes[upwards]].map((label) => ({ title: label }));
    draw("chart-fronts", traces, layout(x, y, { hovermode: "closest" }));
  }

  function surfaces() {
    const traces = [{ x: problem.referenceLine[0], y: problem.referenceLine[1], mode: "lines", line: { color: "#ccd2d9", width: 10, shape: "hv" }, hoverinfo: "skip", name: "reference" }];
    for (const name of shown(problem.attainment.surfaces).reverse()) {
      const [x, y] = problem.attainment.surfaces[name];
      traces.push({ x, y, name: plain(name), mode: "lines", line: { ...lineOf(name, 1.5), shape: "hv" }, hovertemplate: "%{x:.4g}, %{y:.4g}<extra>" + plain(name) + "</extra>" });
    }
    draw("chart-surfaces", traces, layout({ title: problem.axes[1] }, { title: problem.axes[0] }, { hovermode: "closest" }));
  }

  // Shares of the runs on the grid; a byte says in which column of its row one run more attains.
  function shares(name) {
    const own = problem.attainment.runs[name];
    const columns = Uint8Array.from(atob(own.columns), (letter) => letter.charCodeAt(0));
    const levels = columns.length / problem.attainment.upwards.length;
    return problem.attainment.upwards.map((_, row) => {
      const first = columns.subarray(row * levels, (row + 1) * levels);
      return problem.attainment.across.map((_, column) => first.filter((at) => at <= column).length / own.runs);
    });
  }

  function difference() {
    const [first, second] = [byId("difference-first").value, byId("difference-second").value];
    const [one, two] = [shares(first), shares(second)];
    const wide = problem.attainment.across.length, high = problem.attainment.upwards.length;
    // A cell between four lines has the share of its lower corner.
    const z = one.slice(0, Math.max(high - 1, 1)).map((row, r) => row.slice(0, Math.max(wide - 1, 1)).map((v, c) => v - two[r][c]));
    const trace = { type: "heatmap", x: problem.attainment.across, y: problem.attainment.upwards, z, zmin: -1, zmax: 1, zsmooth: false,
      colorscale: [[0, "#5e3c99"], [0.25, "#b2abd2"], [0.5, "#ffffff"], [0.75, "#fdb863"], [1, "#b35806"]],
      colorbar: { title: { text: narrow() ? "" : "difference of shares", side: "right" }, tickvals: [-1, -0.5, 0, 0.5, 1], ticktext: ["−100 %", "−50 %", "0 %", "+50 %", "+100 %"], thickness: 12, outlinewidth: 0 },
      hovertemplate: "%{x:.4g}, %{y:.4g}<br>%{z:+.0%} of the runs<extra></extra>" };
    if (wide < 2 || high < 2) { trace.x = problem.attainment.across.slice(0, 1); trace.y = problem.attainment.upwards.slice(0, 1); }
    draw("chart-difference", [trace], layout({ title: problem.axes[1], showgrid: false }, { title: problem.axes[0], showgrid: false }));
    byId("difference-note").textContent = `Orange: more runs of ${first} attain the point; violet: more runs of ${second}.`;
  }

  function ranks() {
    const count = chosenCount();
    const own = overview.ranks.find((one) => one.evaluations === count);
    byId("ranks-missing").hidden = Boolean(own);
    byId("chart-ranks").hidden = !own;
    if (!own) return;
    const order = own.algorithms.map((name, n) => [name, own.meanRanks[n]]).sort((a, b) => a[1] - b[1]);
    const place = new Map(order.map(([name], n) => [name, n]));
    const cliques = own.cliques.filter((clique) => clique.length > 1);
    const end = Math.max(...order.map(([, rank]) => rank));
    const step = Math.max(end - 1, 1) * 0.035;
    const traces = cliques.map((clique, n) => {
      const rows = clique.map((name) => place.get(name)), x = end + step * (n + 1.2);
      return { x: [x, x], y: [Math.min(...rows) - 0.18, Math.max(...rows) + 0.18], mode: "lines", line: { color: "#5a6675", width: 5 }, hovertemplate: "not shown to differ<extra></extra>" };
    });
    traces.push({ x: order.map(([, rank]) => rank), y: order.map((_, n) => n), mode: "markers", text: order.map(([name]) => plain(name)),
      marker: { size: 11, color: order.map(([name]) => looks[name].colour), symbol: order.map(([name]) => looks[name].mark) },
      hovertemplate: "%{text}: mean rank %{x:.2f}<extra></extra>" });
    const shape = layout({ title: "mean rank, 1 is best", range: [0.6, end + step * (cliques.length + 2)] },
      { title: "", tickvals: order.map((_, n) => n), ticktext: order.map(([name]) => label(name)), range: [order.length - 0.4, -0.6], ticks: "" });
    byId("chart-ranks").style.height = `${order.length * 24 + 90}px`;
    draw("chart-ranks", traces, shape);
    const width = own.criticalDifference === null ? "" : `Critical difference ${own.criticalDifference.toFixed(2)} (Nemenyi, 5 %). `;
    byId("ranks-note").textContent = [`${width}Bars join algorithms that are not shown to differ.`, ...own.notes].join(" ");
  }

  function rankCurves() {
    byId("rank-curves").hidden = overview.ranks.length < 2;
    if (overview.ranks.length < 2) return;
    const traces = Object.keys(looks).filter((name) => !hidden.has(name)).map((name) => {
      const points = overview.ranks.filter((one) => one.algorithms.includes(name));
      return { x: points.map((one) => one.evaluations), y: points.map((one) => one.meanRanks[one.algorithms.indexOf(name)]), name: plain(name), mode: "lines+markers",
        line: lineOf(name), marker: { color: looks[name].colour, symbol: looks[name].mark, size: 8 }, hovertemplate: "%{x:,d} evaluations: mean rank %{y:.2f}<extra>" + plain(name) + "</extra>" };
    });
    const ticks = overview.ranks.map((one) => one.evaluations);
    draw("chart-rank-curves", traces, layout({ title: "evaluations", type: "log", tickvals: ticks, ticktext: ticks.map((n) => n.toLocaleString("en")) }, { title: "mean rank, 1 is best", autorange: "reversed" }));
  }

  function runtimes() {
    byId("runtimes").hidden = !overview.runtimes;
    if (!overview.runtimes) return;
    const at = overview.runtimes.at;
    const traces = Object.keys(looks).filter((name) => name in overview.runtimes.shares && !hidden.has(name)).map((name) => ({
      x: at, y: overview.runtimes.shares[name], name: plain(name), mode: "lines", line: { ...lineOf(name), shape: "hv" }, hovertemplate: "%{x:,d} evaluations: %{y:.0%}<extra>" + plain(name) + "</extra>" }));
    draw("chart-runtimes", traces, layout(countAxis(), { title: "share of problems, runs and targets", range: [-0.02, 1.02], tickformat: ".0%" }));
  }

  const chosenCount = () => Number(byId("choose-count").value);
  const options = (id, entries) => byId(id).replaceChildren(...entries.map(([value, text]) => new Option(text, value)));

  function drawProblem() {
    anyTime();
    reached();
    fronts();
    byId("attainment").hidden = !problem.attainment;
    byId("no-attainment").hidden = Boolean(problem.attainment);
    if (problem.attainment) { surfaces(); difference(); }
  }

  function chooseProblem() {
    const number = Number(byId("choose-problem").value);
    if (!problems.has(number)) problems.set(number, JSON.parse(texts[number]));
    problem = problems.get(number);
    const { metrics } = problem.networks;
    problem.networks.F = problem.objectives.map((n) => (n === null ? metrics[0].map((accuracy) => +(100 - accuracy).toPrecision(6)) : metrics[n]));
    byId("problem-title").textContent = problem.title;
    byId("problem-facts").textContent = problem.facts;
    byId("problem-cautions").replaceChildren(...problem.cautions.map((sentence) => {
      const row = document.createElement("li");
      row.textContent = sentence;
      return row;
    }));
    byId("problem-cautions").parentElement.hidden = !problem.cautions.length;
    byId("front-note").textContent = problem.frontNote;
    options("reached-target", [["all", "all targets"], ...problem.targets.map((t) => [String(t), percent(t)])]);
    const pairs = [];
    problem.axes.forEach((x, a) => problem.axes.forEach((y, u) => { if (a > u) pairs.push([`${a},${u}`, `${y} over ${x}`]); }));
    options("front-pair", pairs);
    byId("front-pair-label").hidden = pairs.length < 2;
    if (problem.attainment) {
      const names = problem.ranking.filter((name) => name in problem.attainment.runs);
      for (const [id, at] of [["difference-first", 0], ["difference-second", 1]]) {
        options(id, names.map((name) => [name, name]));
        byId(id).selectedIndex = Math.min(at, names.length - 1);
      }
    }
    byId("any-time-bands").checked = problem.ranking.length <= 8;
    byId("problem-tables").innerHTML = tables[number];
    chooseCount();
    drawProblem();
  }

  function chooseCount() {
    for (const box of document.querySelectorAll("[data-count]")) box.hidden = Number(box.dataset.count) !== chosenCount();
    ranks();
  }

  function chips() {
    const box = byId("chips");
    const sample = (look) => {
      const dash = { solid: "", dash: "5 3", dot: "2 2" }[look.line];
      return `<svg viewBox="0 0 26 12" aria-hidden="true"><line x1="1" y1="6" x2="25" y2="6" stroke="${look.colour}" stroke-width="3" stroke-dasharray="${dash}"/></svg>`;
    };
    for (const [name, look] of Object.entries(looks)) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.title = "show or hide; double-click: only this one";
      chip.innerHTML = sample(look);
      chip.append(name);
      chip.dataset.algorithm = name;
      chip.addEventListener("click", () => { if (!hidden.delete(name)) hidden.add(name); refresh(); });
      chip.addEventListener("dblclick", () => { Object.keys(looks).forEach((other) => hidden.add(other)); hidden.delete(name); refresh(); });
      box.append(chip);
    }
    for (const [text, act] of [["all", () => hidden.clear()], ["best 5 here", () => { Object.keys(looks).forEach((name) => hidden.add(name)); problem.ranking.slice(0, 5).forEach((name) => hidden.delete(name)); }]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain";
      button.textContent = text;
      button.addEventListener("click", () => { act(); refresh(); });
      box.append(button);
    }
  }
  function pressed() {
    for (const chip of document.querySelectorAll("[data-algorithm]")) chip.setAttribute("aria-pressed", String(!hidden.has(chip.dataset.algorithm)));
  }
  function refresh() { pressed(); drawProblem(); rankCurves(); runtimes(); }

  chips();
  pressed();
  byId("choose-problem").addEventListener("change", () => {
    chooseProblem();
    const part = byId("problem").getBoundingClientRect();
    if (part.top > window.innerHeight || part.bottom < 0) byId("problem").scrollIntoView();
  });
  byId("choose-count").addEventListener("change", chooseCount);
  for (const [id, act] of [["any-time-scale", anyTime], ["any-time-bands", anyTime], ["reached-target", reached], ["front-pair", fronts], ["difference-first", difference], ["difference-second", difference]]) byId(id).addEventListener("change", act);
  chooseProblem();
  rankCurves();
  runtimes();
  document.documentElement.dataset.ready = "yes";
})();
