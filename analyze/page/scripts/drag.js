// Moving a chart with the mouse or a finger, and zooming it with two fingers.

const STILL_PIXELS = 3;
const CLOSEST = 0.02;

// Acts upon pointers on `canvas`. `range()` gives what is shown, [from, to]; `across(event)` how far from the left the
// pointer is, as a share of the width; `zoom(from, to)` shows that. `click` and `hover` get events that move nothing.
export function draggable(canvas, { range, across, zoom, click, hover }) {
  // The pointers that are down, by id: where they are, as shares of the width.
  const down = new Map();
  let begun = null;
  let moved = false;

  function begin() {
    const [from, to] = range();
    begun = { from, to, shares: [...down.values()] };
  }

  function move() {
    const span = begun.to - begun.from;
    const [first, second] = begun.shares;
    const [now, other] = [...down.values()];
    if (second === undefined) {
      zoom(begun.from - (now - first) * span, begun.to - (now - first) * span);
      return;
    }
    // What was under each finger stays there.
    const apart = Math.max(Math.abs(other - now), CLOSEST);
    const wide = (span * Math.max(Math.abs(second - first), CLOSEST)) / apart;
    const from = begun.from + (span * (first + second)) / 2 - (wide * (now + other)) / 2;
    zoom(from, from + wide);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (down.size === 0) moved = false;
    if (down.size === 2) return;
    down.set(event.pointerId, across(event));
    // Two fingers never click.
    moved ||= down.size > 1;
    begin();
    begun.x = event.clientX;
    if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId) || (event.pointerType === "mouse" && !(event.buttons & 1))) {
      down.delete(event.pointerId);
      hover(event);
      return;
    }
    down.set(event.pointerId, across(event));
    moved ||= Math.abs(event.clientX - begun.x) > STILL_PIXELS;
    if (moved) move();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!down.delete(event.pointerId)) return;
    if (down.size) begin();
    else if (!moved) click(event);
  });
  canvas.addEventListener("pointercancel", (event) => {
    down.delete(event.pointerId);
    if (down.size) begin();
  });
}
