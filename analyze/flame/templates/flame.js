// A flame graph on a canvas: zoom by click or Enter, arrow keys, search. `parts`: its elements; `data`: its nodes as
// columns, see flame_data() in html_page.py. Gives what its page calls.
function flameGraph(parts, data) {
  const ROW = 18;
  const FONT = "11px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
  const count = data.frame.length;
  const total = data.value[0];
  const { view, tall, canvas, details, search, found: output } = parts;
  const pen = canvas.getContext("2d");
  const depth = new Int32Array(count);
  // Nodes stand level by level, and within a level from left to right.
  const first = [0];
  for (let i = 1; i < count; i++) {
    depth[i] = depth[data.parent[i]] + 1;
    if (depth[i] === first.length) first.push(i);
  }
  const levels = first.length;
  first.push(count);
  let top = 0;
  let picked = -1;
  let found = null;
  let above = new Set();

  function amount(value) {
    if (data.unit === "ns") {
      return (value / 1e6).toLocaleString("en", { minimumFractionDigits: 3, maximumFractionDigits: 3 }) + " ms";
    }
    return value.toLocaleString("en") + " " + (value === 1 ? data.unit.replace(/s$/, "") : data.unit);
  }

  function says(i) {
    const frame = data.frame[i];
    const named = (data.names[frame] + " " + data.wheres[frame]).trim();
    return named + "\n" + amount(data.value[i]) + ", " + ((100 * data.value[i]) / total).toFixed(2) + "% of all";
  }

  function place(i) {
    if (above.has(i)) return [0, view.clientWidth];
    const scale = view.clientWidth / data.value[top];
    return [(data.x[i] - data.x[top]) * scale, data.value[i] * scale];
  }

  function shown(i) {
    if (above.has(i)) return true;
    return depth[i] >= depth[top] && data.x[i] < data.x[top] + data.value[top] &&
      data.x[i] + data.value[i] > data.x[top];
  }

  function box(i, y) {
    const [x, width] = place(i);
    if (width < 0.3) return;
    const frame = data.frame[i];
    pen.globalAlpha = above.has(i) ? 0.55 : 1;
    pen.fillStyle = found && found.has(frame) ? "#f078e8" : data.colors[data.color[frame]];
    pen.fillRect(x, y, Math.max(width - 0.7, 0.3), ROW - 1);
    if (i === picked) {
      pen.strokeStyle = "#d01c8b";
      pen.lineWidth = 2;
      pen.strokeRect(x + 1, y + 1, Math.max(width - 2.7, 0.3), ROW - 3);
    }
    const fits = Math.floor((width - 5) / letter);
    if (fits > 2) {
      const name = data.names[frame];
      pen.fillStyle = "#16181d";
      pen.fillText(name.length <= fits ? name : name.slice(0, fits - 2) + "..", x + 3, y + 13);
    }
  }

  let letter = 7;
  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = view.clientWidth;
    const height = view.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = FONT;
    letter = pen.measureText("mmmmmmmmmm").width / 10;
    for (let level = 0; level < levels; level++) {
      const y = (levels - 1 - level) * ROW - view.scrollTop;
      if (y < -ROW || y > height) continue;
      for (let i = first[level]; i < first[level + 1]; i++) if (shown(i)) box(i, y);
    }
    pen.globalAlpha = 1;
  }

  function size() {
    const most = Math.max(200, Math.round(window.innerHeight * 0.72));
    view.style.height = Math.min(levels * ROW + 2, most) + "px";
    canvas.style.width = "100%";
    canvas.style.height = view.clientHeight + "px";
    tall.style.height = levels * ROW + "px";
    draw();
  }

  function at(event) {
    const edge = canvas.getBoundingClientRect();
    const level = levels - 1 - Math.floor((event.clientY - edge.top + view.scrollTop) / ROW);
    if (level < 0 || level >= levels) return -1;
    const across = event.clientX - edge.left;
    for (let i = first[level]; i < first[level + 1]; i++) {
      const [x, width] = place(i);
      if (shown(i) && across >= x && across < x + width) return i;
    }
    return -1;
  }

  function zoom(i) {
    top = i;
    above = new Set();
    for (let up = data.parent[i]; up >= 0; up = data.parent[up]) above.add(up);
    draw();
  }

  function pick(i) {
    picked = i;
    details.textContent = i < 0 ? "" : says(i);
    if (i >= 0) {
      const y = (levels - 1 - depth[i]) * ROW;
      if (y < view.scrollTop) view.scrollTop = y;
      if (y + ROW > view.scrollTop + view.clientHeight) view.scrollTop = y + ROW - view.clientHeight;
    }
    draw();
  }

  function find() {
    const wanted = search.value.toLowerCase();
    found = null;
    output.textContent = "";
    if (wanted !== "") {
      found = new Set();
      data.names.forEach(function (name, frame) {
        if ((name + " " + data.wheres[frame]).toLowerCase().includes(wanted)) found.add(frame);
      });
      let sum = 0;
      const covered = new Uint8Array(count);
      for (let i = 0; i < count; i++) {
        const below = i > 0 && covered[data.parent[i]];
        const hit = found.has(data.frame[i]);
        if (hit && !below) sum += data.value[i];
        covered[i] = hit || below ? 1 : 0;
      }
      output.textContent = amount(sum) + ", " + ((100 * sum) / total).toFixed(2) + "% of all";
    }
    draw();
  }

  function beside(i, step) {
    const next = i + step;
    return next >= 0 && next < count && data.parent[next] === data.parent[i] ? next : i;
  }

  function widestChild(i) {
    let best = i;
    for (let j = first[depth[i] + 1]; j !== undefined && j < (first[depth[i] + 2] || count); j++) {
      if (data.parent[j] === i && (best === i || data.value[j] > data.value[best])) best = j;
    }
    return best;
  }

  canvas.addEventListener("click", function (event) {
    const i = at(event);
    if (i >= 0) {
      picked = i;
      zoom(i);
      details.textContent = says(i);
    }
  });
  canvas.addEventListener("mousemove", function (event) {
    const i = at(event);
    const text = i < 0 ? "" : says(i);
    if (text !== details.textContent) details.textContent = text;
  });
  canvas.addEventListener("keydown", function (event) {
    const from = picked < 0 ? top : picked;
    const moves = {
      ArrowUp: () => pick(widestChild(from)),
      ArrowDown: () => pick(Math.max(data.parent[from], 0)),
      ArrowLeft: () => pick(beside(from, -1)),
      ArrowRight: () => pick(beside(from, 1)),
      Enter: () => zoom(from),
    };
    if (moves[event.key]) {
      event.preventDefault();
      moves[event.key]();
    }
  });
  search.addEventListener("input", find);
  view.addEventListener("scroll", draw);

  // To be called when it is first shown, and when the window has another size.
  function resize() {
    // The root is at the bottom, and that is in view until somebody scrolls.
    const low = !view.style.height || view.scrollTop + view.clientHeight >= view.scrollHeight - 2;
    size();
    if (low) view.scrollTop = view.scrollHeight;
    draw();
  }

  return { resize, reset: () => zoom(0), find };
}
