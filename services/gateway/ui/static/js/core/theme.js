/** Light, dark, or as the system is. The choice is all that this page ever stores. */

const KEY = 'slipway.theme';
const NEXT = { system: 'light', light: 'dark', dark: 'system' };

/** "system", "light" or "dark". */
export function theme() {
  return document.documentElement.dataset.theme ?? 'system';
}

/** Go on to the next theme and answer it; without storage it lasts as long as the tab. */
export function switchTheme() {
  const chosen = NEXT[theme()];
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    if (chosen === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // Storage is switched off.
  }
  return chosen;
}
