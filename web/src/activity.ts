/** When the person last did something here, in any page of this browser. */

const STORED = "activity";
const WRITE_EVERY = 2_000;
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;

let last = Date.now();
let written = 0;

/** Notes a sign of life now. */
export function touch(): void {
  last = Date.now();
  if (last - written < WRITE_EVERY) return;
  written = last;
  window.localStorage.setItem(STORED, String(last));
}

export function lastActivity(): number {
  const elsewhere = Number(window.localStorage.getItem(STORED)) || 0;
  return Math.max(last, Math.min(elsewhere, Date.now()));
}

/** Watches this page; the answer ends it. */
export function watchActivity(): () => void {
  for (const sign of SIGNS) window.addEventListener(sign, touch, { passive: true });
  return () => {
    for (const sign of SIGNS) window.removeEventListener(sign, touch);
  };
}
