// Small charts as SVG.

import { svg, set } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

// A line over its area.
export function sparkline(kind = "") {
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "line" });
  const node = svg(
    "svg",
    { class: `sparkline ${kind}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  function update(points) {
    const top = Math.max(...points, 0) || 1;
    const x = (index) => (index * WIDTH) / (points.length - 1);
    const y = (value) => HEIGHT - 2 - (value / top) * (HEIGHT - 4);
    const path = points.map((value, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    set(line, "d", points.length > 1 ? path : null);
    set(area, "d", points.length > 1 ? `${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` : null);
  }
  return { node, update };
}
