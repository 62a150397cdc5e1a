"use strict";
// Draws every [data-chart] with Plotly. The server sends data with colour roles; colours and the rest of the look come
// from tokens.css. A chart that leaves the page is purged, else each swap would leave its nodes and listeners behind.
(() => {
  const ROLE = /^(series-[1-6]|other|accent|surface|text|muted|line|control)$/;
  const CONFIG = { displayModeBar: false, showSendToCloud: false, plotlyServerURL: "", doubleClick: false };
  const TICK_PX = 58; // room for "26 Oct" and some air
  const DENSE_PX = 7; // a bucket narrower than this has no pixel to spare between the parts of its bar
  const drawn = new Map(); // holder -> { plot, off: names switched off, source: what was drawn }

  function palette() {
    const probe = document.body.appendChild(document.createElement("span"));
    const known = {};
    const colour = (role) => {
      probe.style.color = `var(--${role})`;
      return (known[role] ??= getComputedStyle(probe).color);
    };
    return { colour, done: () => probe.remove() };
  }

  function paint(value, colour) {
    if (Array.isArray(value)) return value.map((one) => paint(one, colour));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, key === "color" && ROLE.test(one) ? colour(one) : paint(one, colour)]),
    );
  }

  function look(layout, colour, width) {
    const { tickvals, ticktext } = layout.xaxis;
    const every = Math.ceil((tickvals.length * TICK_PX) / width) || 1;
    const last = layout.meta.names.length * (1 - TICK_PX / 3 / width); // beyond, the text would be cut off
    const thin = (list) => list.filter((_, place) => place % every === 0 && tickvals[place] < last);
    return {
      ...layout,
      autosize: true,
      bargap: 0.25,
      dragmode: false,
      hovermode: "x unified",
      showlegend: false,
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("muted") },
      hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("line"), font: { size: 12, color: colour("text") } },
      xaxis: {
        ...layout.xaxis,
        tickvals: thin(tickvals),
        ticktext: thin(ticktext),
        type: "category",
        fixedrange: true,
        showgrid: false,
        showspikes: false,
        tickangle: 0,
        linecolor: colour("control"),
        linewidth: 1,
      },
      yaxis: { ...layout.yaxis, fixedrange: true, zeroline: false, gridcolor: colour("line") },
    };
  }

  function dress(bars, { names, running }, width) {
    const sums = names.map((_, place) => bars.reduce((sum, { y }) => sum + (y[place] ?? 0), 0));
    for (const bar of bars) {
      if (bars.length > 1) bar.customdata = bar.y.map((y, place) => ` · ${Math.round((100 * y) / sums[place])}%`);
      if (width / names.length < DENSE_PX) bar.marker.line.width = 0;
      const shape = names.map((_, place) => (place === running ? "/" : ""));
      bar.marker.pattern = { shape, size: 6, solidity: 0.45 };
    }
  }

  function draw(holder) {
    const state = drawn.get(holder) ?? { plot: holder.appendChild(document.createElement("div")), off: new Set() };
    drawn.set(holder, state);
    state.source = holder.dataset.chart;
    const { colour, done } = palette();
    const { data, layout } = paint(JSON.parse(state.source), colour);
    for (const trace of data) {
      trace.x = layout.meta.names.slice(0, trace.y.length);
      trace.visible = !state.off.has(trace.name);
      trace.hovertemplate = `%{y:${layout.meta.format}}%{customdata}`;
      trace.customdata = trace.y.map(() => "");
    }
    dress(data.filter((trace) => trace.type === "bar"), layout.meta, holder.clientWidth);
    Plotly.react(state.plot, data, look(layout, colour, holder.clientWidth), CONFIG);
    done();
    for (const button of holder.closest("figure").querySelectorAll("[data-trace]")) {
      button.setAttribute("aria-pressed", String(!state.off.has(data[button.dataset.trace].name)));
    }
  }

  function refresh(always) {
    for (const [holder, state] of drawn) {
      if (holder.isConnected) continue;
      Plotly.purge(state.plot);
      drawn.delete(holder);
    }
    for (const holder of document.querySelectorAll("[data-chart]")) {
      if (always || drawn.get(holder)?.source !== holder.dataset.chart) draw(holder);
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-trace]");
    const holder = button?.closest("figure").querySelector("[data-chart]");
    if (!holder) return;
    const { off } = drawn.get(holder);
    const { name } = JSON.parse(holder.dataset.chart).data[button.dataset.trace];
    if (!off.delete(name)) off.add(name);
    draw(holder);
  });

  let resizing;
  const redrawSoon = () => { clearTimeout(resizing); resizing = setTimeout(() => refresh(true), 100); };
  addEventListener("resize", redrawSoon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh(true));
  document.addEventListener("theme", () => refresh(true));
  document.addEventListener("htmx:after:swap", () => refresh(false));
  document.addEventListener("DOMContentLoaded", () => refresh(false));
})();
