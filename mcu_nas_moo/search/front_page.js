"use strict";
// Draws the front over any two figures. All numbers come from the JSON in the page.
(async () => {
  await loadPlotly();
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const { axes, subnets, reference } = data;
  const INFEASIBLE = 0, FEASIBLE = 1, FRONT = 2;
  const rowsOf = (kind) => subnets.kind.flatMap((own, row) => (own === kind ? [row] : []));
  const rows = [INFEASIBLE, FEASIBLE, FRONT].map(rowsOf);
  let picked = null;

  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const said = (axis, value) => `${value === null ? "" : +value.toPrecision(4)} ${axis.unit}`;
  const file = (row) => (subnets.kind[row] === FRONT ? `subnets/${subnets.name[row]}.yaml` : null);

  function hover(row) {
    const lines = [`<b>${plain(subnets.name[row])}</b>`];
    if (file(row)) lines.push(plain(file(row)));
    axes.forEach((axis, n) => lines.push(`${axis.short} ${said(axis, subnets.values[n][row])}`));
    return lines.concat("", subnets.genes[row].map(plain)).join("<br>");
  }
  const texts = subnets.name.map((_, row) => hover(row));

  // The part of the axes where choices are made: the feasible subnets, the reference and limits near them.
  function range(axis, shown) {
    const values = shown.flatMap(([columns, own]) => own.map((row) => columns[axis][row])).filter((value) => value !== null);
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const limit = axes[axis].limit;
    if (limit !== null && limit <= high + 0.5 * (high - low)) high = Math.max(high, limit);
    const margin = 0.04 * (high - low) || Math.abs(high) * 0.04 || 1;
    return [low - margin, high + margin];
  }

  function draw() {
    const across = Number(byId("across").value), upwards = Number(byId("upwards").value);
    const objectives = data.objectives.length === 2 && data.objectives.includes(across) && data.objectives.includes(upwards) && across !== upwards;
    const sorted = (columns, own) => own.slice().sort((a, b) => columns[across][a] - columns[across][b] || columns[upwards][b] - columns[upwards][a]);
    const trace = (name, columns, own, more) => {
      const order = sorted(columns, own);
      return { name, type: "scatter", mode: "markers", x: order.map((row) => columns[across][row]), y: order.map((row) => columns[upwards][row]), customdata: order, ...more };
    };
    const hovered = (own) => ({ text: sorted(subnets.values, own).map((row) => texts[row]), hovertemplate: "%{text}<extra></extra>" });
    const traces = [];
    if (reference) {
      const all = reference.values[0].map((_, row) => row);
      traces.push(trace(`${reference.kind} front`, reference.values, all, objectives
        ? { mode: "lines", line: { color: "#ccd2d9", width: 7, shape: "hv" }, hoverinfo: "skip" }
        : { marker: { color: "#ccd2d9", size: 4 }, hoverinfo: "skip" }));
    }
    if (byId("infeasible").checked) traces.push(trace("infeasible", subnets.values, rows[INFEASIBLE], { marker: { color: "#b3261e", size: 4, opacity: 0.45, symbol: "x" }, ...hovered(rows[INFEASIBLE]) }));
    traces.push(trace("feasible", subnets.values, rows[FEASIBLE], { marker: { color: "#8a97a6", size: 5, opacity: 0.6 }, ...hovered(rows[FEASIBLE]) }));
    traces.push(trace("found front", subnets.values, rows[FRONT], { mode: objectives ? "lines+markers" : "markers", line: { color: "#0072B2", width: 1.5, shape: "hv" }, marker: { color: "#0072B2", size: 8, line: { color: "#fff", width: 1 } }, ...hovered(rows[FRONT]) }));
    if (picked !== null) traces.push({ name: "chosen", type: "scatter", mode: "markers", x: [subnets.values[across][picked]], y: [subnets.values[upwards][picked]], marker: { symbol: "circle-open", size: 17, color: "#D55E00", line: { width: 3 } }, hoverinfo: "skip", showlegend: false });
    const shapes = [], notes = [];
    const shown = [[subnets.values, rows[FRONT].concat(rows[FEASIBLE])], ...(reference ? [[reference.values, reference.values[0].map((_, row) => row)]] : [])];
    const ranges = [range(across, shown), range(upwards, shown)];
    const limitLine = (axis, letter, span) => {
      const limit = axes[axis].limit;
      if (limit === null || limit > span[1] || limit < span[0]) return;
      const other = letter === "x" ? "y" : "x";
      shapes.push({ type: "line", [`${letter}0`]: limit, [`${letter}1`]: limit, [`${letter}ref`]: letter, [`${other}0`]: 0, [`${other}1`]: 1, [`${other}ref`]: "paper", line: { color: "#b3261e", width: 1.2, dash: "dot" } });
      notes.push({ text: `limit ${said(axes[axis], limit)}`, showarrow: false, font: { size: 11, color: "#b3261e" }, [letter]: limit, [`${letter}ref`]: letter, [other]: 1, [`${other}ref`]: "paper", xanchor: "right", yanchor: letter === "x" ? "top" : "bottom" });
    };
    limitLine(across, "x", ranges[0]);
    limitLine(upwards, "y", ranges[1]);
    const axis = (number, span) => ({ title: { text: axes[number].label, standoff: 8, font: { size: 13 } }, range: span, gridcolor: "#e9edf1", linecolor: "#aab4bf", zeroline: false, automargin: true, ticks: "outside", tickcolor: "#aab4bf", ticklen: 4 });
    Plotly.react(byId("chart"), traces, {
      font: { family: "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", size: 12, color: "#1d2530" },
      paper_bgcolor: "#fff", plot_bgcolor: "#fff", hovermode: "closest", uirevision: `${across},${upwards}`,
      margin: { l: 52, r: 16, t: 12, b: 46 }, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      hoverlabel: { align: "left", bgcolor: "#fff", bordercolor: "#aab4bf", font: { size: 12, color: "#1d2530" } },
      xaxis: axis(across, ranges[0]), yaxis: axis(upwards, ranges[1]), shapes, annotations: notes,
    }, { responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { format: "svg" } });
  }

  const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text, ...more });

  function pick(row) {
    picked = row;
    const box = byId("chosen");
    const table = document.createElement("table");
    axes.forEach((axis, n) => {
      const line = table.insertRow();
      line.append(element("th", axis.short, { className: "left" }), element("td", said(axis, subnets.values[n][row])));
      const value = subnets.values[n][row];
      line.append(element("td", axis.limit === null ? "" : `of ${said(axis, axis.limit)}`, { className: axis.limit !== null && value > axis.limit ? "over" : "" }));
    });
    const parts = [element("h2", subnets.name[row])];
    if (file(row)) {
      const where = element("p", "");
      where.append(element("code", file(row)));
      parts.push(where);
    } else parts.push(element("p", subnets.kind[row] === FEASIBLE ? `Feasible, but another ${data.noun} is better in all objectives.` : "Exceeds a limit."));
    parts.push(table, ...subnets.genes[row].map((text) => element("div", text)));
    box.replaceChildren(...parts);
    for (const line of document.querySelectorAll("tr[data-row]")) line.classList.toggle("picked", Number(line.dataset.row) === row);
    draw();
  }

  function frontTable() {
    const head = document.querySelector("#front thead").insertRow();
    for (const [n, text] of ["#", `${data.noun} file`, ...axes.map((axis) => [axis.short, axis.unit].filter(Boolean).join(", "))].entries()) head.append(element("th", text, { scope: "col", className: n === 1 ? "left" : "" }));
    const body = document.querySelector("#front tbody");
    for (const [n, row] of data.order.entries()) {
      const line = body.insertRow();
      line.dataset.row = row;
      line.append(element("td", String(n + 1)), element("th", file(row), { scope: "row", className: "left" }));
      axes.forEach((_, n) => line.append(element("td", String(+subnets.values[n][row].toPrecision(4)))));
      line.addEventListener("click", () => pick(row));
    }
  }

  for (const [id, chosen] of [["across", data.across], ["upwards", data.upwards]]) {
    byId(id).replaceChildren(...axes.map((axis, n) => element("option", axis.label, { value: n, selected: n === chosen })));
    byId(id).addEventListener("change", draw);
  }
  byId("infeasible").addEventListener("change", draw);
  frontTable();
  pick(data.knee);
  byId("chart").on("plotly_click", (event) => {
    const row = event.points[0].customdata;
    if (Number.isInteger(row)) pick(row);
  });
  document.documentElement.dataset.ready = "yes";
})();
