"use strict";
// A line under the pointer, and a tip with what was seen at that moment. Without it the page is whole.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const chart = document.getElementById("chart");
  const cursor = document.getElementById("cursor");
  const tip = document.getElementById("tip");
  const figure = tip.parentElement;
  const faults = Array.from(chart.querySelectorAll(".fault"), ({ dataset }) => ({
    from: Number(dataset.from),
    to: Number(dataset.to),
    name: dataset.name,
  }));
  const two = (number) => String(number).padStart(2, "0");

  function clock(ms) {
    const seconds = Math.floor(ms / 1000);
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  }

  function worded(value, unit) {
    if (value === null || value === undefined) return "–";
    if (unit === "ms" && value >= 1000) return `${(value / 1000).toFixed(1)} s`;
    const digits = { maximumFractionDigits: unit === "ms" && value < 10 ? 1 : 0 };
    return value.toLocaleString("en", digits) + (unit === "ms" ? " ms" : unit);
  }

  function nearest(ms) {
    let best = null;
    for (const column of data.columns) {
      if (best === null || Math.abs(column[0] - ms) < Math.abs(best[0] - ms)) best = column;
    }
    return best;
  }

  function line(name, value, kind) {
    const row = document.createElement("div");
    const [left, right] = [document.createElement("span"), document.createElement("span")];
    left.textContent = name;
    left.className = kind;
    right.textContent = value;
    row.append(left, right);
    return row;
  }

  function told(column) {
    const at = column[0];
    const rows = [line(clock(at), "", "")];
    data.lines.forEach(({ name, unit, class: kind }, index) => {
      rows.push(line(name, worded(column[index + 1], unit), kind));
    });
    // A kill lasts no time: it shows within a hundredth of the axis.
    const near = data.end / 200;
    for (const fault of faults.filter(({ from, to }) => from - near <= at && at <= to + near)) {
      const row = line(fault.name, "", "");
      row.className = "fault-now";
      rows.push(row);
    }
    return rows;
  }

  function show(event) {
    const box = chart.getBoundingClientRect();
    const scale = box.width / data.width;
    const share = ((event.clientX - box.left) / scale - data.left) / (data.right - data.left);
    const column = share < 0 || share > 1 ? null : nearest(share * data.end);
    if (column === null) return hide();
    const x = data.left + ((data.right - data.left) * column[0]) / data.end;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    tip.replaceChildren(...told(column));
    tip.hidden = false;
    const around = figure.getBoundingClientRect();
    const at = box.left - around.left + x * scale;
    const beside = at + 14 + tip.offsetWidth > around.width ? at - 14 - tip.offsetWidth : at + 14;
    tip.style.left = `${Math.max(0, beside)}px`;
    tip.style.top = `${Math.max(0, event.clientY - around.top - tip.offsetHeight / 2)}px`;
  }

  function hide() {
    tip.hidden = true;
    cursor.setAttribute("visibility", "hidden");
  }

  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerdown", show);
  chart.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
})();
