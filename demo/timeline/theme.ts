const COLORS = {
  background: ['#ffffff', '#15181c'],
  lane: ['#f4f6f8', '#1c2025'],
  line: ['#dfe3e8', '#30363d'],
  text: ['#1b2025', '#e8ebef'],
  quiet: ['#596470', '#9ba6b3'],
  idle: ['#8c97a3', '#78838f'],
  wait: ['#bd7600', '#f2b53c'],
  'wait-tint': ['#fbe6bf', '#46370f'],
  sent: ['#2b6cd4', '#6fa9ff'],
  replay: ['#8440c4', '#c79bf7'],
  'replay-tint': ['#ecdcfa', '#3a2652'],
  ok: ['#0b8058', '#3fd09c'],
  'ok-tint': ['#d9f1e7', '#173a2d'],
  fail: ['#c8321c', '#ff7d68'],
  'on-wait': ['#ffffff', '#231a02'],
} as const

type ColorName = keyof typeof COLORS

/** The colours of a drawing. Apps set any of them as `--timeline-…` on the element: `--timeline-sent: navy`. */
export type Theme = Readonly<Record<ColorName, string>>

/** CSS with the value of each colour, by the system's scheme or by `data-theme` of the element. */
export function writeThemeStyles(): string {
  const list = (index: 0 | 1) =>
    Object.entries(COLORS)
      .map(([name, values]) => `--tl-${name}: var(--timeline-${name}, ${values[index]});`)
      .join('')
  return `:host { color-scheme: light dark; ${list(0)} }
@media (prefers-color-scheme: dark) { :host(:not([data-theme='light'])) { ${list(1)} } }
:host([data-theme='light']) { color-scheme: light; }
:host([data-theme='dark']) { color-scheme: dark; ${list(1)} }`
}

export function readTheme(element: Element): Theme {
  const styles = getComputedStyle(element)
  const names = Object.keys(COLORS) as ColorName[]
  return Object.fromEntries(names.map((name) => [name, styles.getPropertyValue(`--tl-${name}`).trim()])) as Theme
}
