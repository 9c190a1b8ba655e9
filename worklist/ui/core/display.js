/** Display settings of this machine, kept in the browser. Dark by default, because images are read in the dark. */
const THEMES = ["dark", "light", "contrast", "system"];
const DENSITIES = ["dense", "comfortable"];

const chosen = (name, known) => {
  const value = localStorage.getItem(name);
  return known.includes(value) ? value : known[0];
};

export const theme = () => chosen("theme", THEMES);
export const density = () => chosen("density", DENSITIES);
export { DENSITIES, THEMES };

const prefersLight = matchMedia("(prefers-color-scheme: light)");
const prefersContrast = matchMedia("(prefers-contrast: more)");

export function applyDisplay() {
  const preferred = prefersContrast.matches ? "contrast" : prefersLight.matches ? "light" : "dark";
  Object.assign(document.documentElement.dataset, {
    theme: theme() === "system" ? preferred : theme(),
    density: density(),
  });
}

export function setDisplay(name, value) {
  localStorage.setItem(name, value);
  applyDisplay();
}

prefersLight.addEventListener("change", applyDisplay);
prefersContrast.addEventListener("change", applyDisplay);
