/** Light or dark: as the system says, or as the person chose. The colours follow `color-scheme` by themselves. */

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const STORED = "theme";

export function chosenTheme(): Theme {
  const stored = window.localStorage.getItem(STORED);
  return stored === "light" || stored === "dark" ? stored : "system";
}

export function chooseTheme(theme: Theme): void {
  if (theme === "system") {
    window.localStorage.removeItem(STORED);
    document.documentElement.removeAttribute("data-theme");
  } else {
    window.localStorage.setItem(STORED, theme);
    document.documentElement.dataset.theme = theme;
  }
}

/** Draw what was chosen before. */
export function applyTheme(): void {
  chooseTheme(chosenTheme());
}
