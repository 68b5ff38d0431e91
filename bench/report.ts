import type { Results } from './results.ts'
import type { Group, Row } from './rows.ts'
import { formatInterval, formatTarget, formatValue, formatVerdict } from './table.ts'

/** The results as one HTML page without external resources. */
export function renderReport(results: Results): string {
  const { at, seconds, isQuick, machine, node, browser, groups, failures } = results
  const judged = groups.flatMap(({ rows }) => rows).filter(({ target }) => target !== undefined)
  const met = judged.filter(({ verdict }) => verdict === 'met').length
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lingpai bench</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>lingpai bench</h1>
<p class="score"><b>${met}</b> of ${judged.length} targets met</p>
<p>${escapeText(`${at.slice(0, 16).replace('T', ' ')} UTC, ${Math.round(seconds)} s${isQuick ? ', quick run: few samples' : ''}`)}<br>
${escapeText(`${browser}, Node.js ${node}, ${machine.processors} × ${machine.model}, ${machine.system}`)}</p>
<p>${legend}</p>
</header>
${failures.map(({ case: name, message }) => `<p class="failure">Not measured: ${escapeText(name)}: ${escapeText(message)}</p>`).join('\n')}
${groups.map(renderGroup).join('\n')}
</body>
</html>
`
}

function renderGroup({ title, note, rows }: Group): string {
  const end = findEnd(rows)
  return `<section>
<h2>${escapeText(title)}</h2>
<p>${escapeText(note)}</p>
${rows.map((row) => renderRow(row, end)).join('\n')}
${renderAxis(rows, end)}
</section>`
}

function renderRow(row: Row, end: number): string {
  const interval = formatInterval(row)
  const verdict = formatVerdict(row)
  return `<div class="row ${row.verdict.replace(' ', '-')}">
<div class="title">${escapeText(row.title)}</div>
${renderPlot(row, end)}
<div class="value"><b>${escapeText(formatValue(row.spread.median, row.unit))}</b>${row.target === undefined ? '' : ` <span class="target">${escapeText(formatTarget(row))}</span> <span class="verdict">${escapeText(verdict)}</span>`}${interval === '' ? '' : `<small>${escapeText(`${interval}, n = ${row.spread.count}`)}</small>`}</div>
</div>`
}

/** A bar for a single value; for several, a box from the lower to the upper quartile, with the median and all values. */
function renderPlot({ spread, values, target, unit, title }: Row, end: number): string {
  const at = (value: number) => `${((Math.min(value, end) / end) * 100).toFixed(2)}%`
  const width = (from: number, to: number) => `${(((Math.min(to, end) - Math.min(from, end)) / end) * 100).toFixed(2)}%`
  const { lowest, lowerQuartile, median, upperQuartile, highest } = spread
  const parts =
    unit === '×' && values.length > 2
      ? [
          line('whisker', at(lowest), at(highest)),
          `<rect class="box" x="${at(lowerQuartile)}" y="6" width="${width(lowerQuartile, upperQuartile)}" height="16" rx="2"/>`,
          ...thin(values).map((value) => `<circle cx="${at(value)}" cy="14" r="1.5"/>`),
          `<line class="median" x1="${at(median)}" x2="${at(median)}" y1="4" y2="24"/>`,
        ]
      : [`<rect class="box" x="0" y="7" width="${width(0, median)}" height="14" rx="2"/>`]
  if (target !== undefined) parts.push(`<line class="goal" x1="${at(target)}" x2="${at(target)}" y1="0" y2="28"/>`)
  return `<svg height="28" role="img" aria-label="${escapeText(`${title}: ${formatValue(median, unit)}`)}">${parts.join('')}</svg>`
}

function line(name: string, from: string, to: string): string {
  return `<line class="${name}" x1="${from}" x2="${to}" y1="14" y2="14"/>`
}

function renderAxis(rows: readonly Row[], end: number): string {
  const unit = rows[0]?.unit ?? ''
  const step = findStep(end)
  const ticks = Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step)
  const labels = ticks.map((tick) => {
    const place = (tick / end) * 100
    const anchor = place < 3 ? 'start' : place > 97 ? 'end' : 'middle'
    const text = `${Number(tick.toFixed(2))}${unit === '×' ? '×' : ''}`
    return `<line x1="${place.toFixed(2)}%" x2="${place.toFixed(2)}%" y1="0" y2="4"/><text x="${place.toFixed(2)}%" y="16" text-anchor="${anchor}">${text}</text>`
  })
  return `<div class="row axis"><div></div><svg height="20" aria-hidden="true"><line x1="0" x2="100%" y1="0" y2="0"/>${labels.join('')}</svg><div></div></div>`
}

/** The end of a group's axis: after its boxes and targets. A far outlier must not compress the rest. */
function findEnd(rows: readonly Row[]): number {
  const ends = rows.flatMap(({ spread, target = 0 }) => [spread.upperQuartile, spread.median, target])
  const typical = Math.max(...ends) * 1.15
  return typical > 0 ? typical : 1
}

function findStep(end: number): number {
  const rough = end / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  return ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
}

/** More dots do not add information. */
function thin(values: readonly number[]): number[] {
  const most = 60
  return values.filter((_, index) => values.length <= most || index % Math.ceil(values.length / most) === 0)
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => entities[character] as string)
}

const legend =
  'Each box is the middle half of the ratios, each dot one round, the bar across it the median, which is what counts; the dashed line is the target, and less is better. All contestants of a round were measured one right after the other, in changing order. The figures beside it say where the median is with 95 % certainty; where the target lies in there, the verdict is “narrowly”.'

const style = `
:root { color-scheme: light; --ink: #1c2430; --quiet: #5d6877; --line: #d8dee6; --good: #18794e; --bad: #b3261e; --plain: #5b7fa8 }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1120px; padding: 24px 16px 64px; color: var(--ink); background: #fff; font: 14px/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 24px }
h2 { margin: 0; font-size: 17px }
p { margin: 4px 0 12px; max-width: 76ch; color: var(--quiet) }
.score { margin: 4px 0; color: var(--ink); font-size: 17px }
.failure { color: var(--bad) }
section { margin-top: 28px; padding-top: 16px; border-top: 1px solid var(--line) }
.row { display: grid; grid-template-columns: minmax(0, 300px) minmax(0, 1fr) minmax(0, 220px); gap: 0 16px; align-items: center; padding: 3px 0 }
.value { font-variant-numeric: tabular-nums }
.value small { display: block; color: var(--quiet); font-size: 12px; line-height: 1.2 }
.target { color: var(--quiet) }
svg { display: block; width: 100%; overflow: visible }
.box { fill: var(--plain); fill-opacity: .3; stroke: var(--plain) }
circle { fill: var(--plain); fill-opacity: .55 }
.whisker { stroke: var(--plain); stroke-opacity: .5 }
.median { stroke: var(--ink); stroke-width: 2.5 }
.goal { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 3 2 }
.met { --plain: var(--good) }
.missed { --plain: var(--bad) }
.met .verdict { color: var(--good); font-weight: 600 }
.missed .verdict { color: var(--bad); font-weight: 600 }
.axis line { stroke: var(--line) }
text { fill: var(--quiet); font-size: 11px }
@media (max-width: 700px) {
  .row { grid-template-columns: minmax(0, 1fr); padding: 8px 0 }
  .value small { display: inline; margin-left: 8px }
}
`
