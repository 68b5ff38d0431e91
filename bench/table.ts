import type { Results } from './results.ts'
import type { Row } from './rows.ts'

export function formatValue(value: number, unit: Row['unit']): string {
  if (unit === '×') return `${value.toFixed(2)}×`
  if (unit === 'of the body') return value.toFixed(2)
  if (unit === '') return Number.isInteger(value) ? String(value) : value.toFixed(1)
  return `${value.toFixed(1)} ${unit}`
}

export function formatTarget({ target, unit }: Pick<Row, 'target' | 'unit'>): string {
  return target === undefined ? '' : `≤ ${formatValue(target, unit)}`
}

/** The confidence interval of the median (see `Spread`). */
export function formatInterval({ spread: { count, surely }, unit }: Row): string {
  return count < 2 ? '' : `${formatValue(surely[0], unit)} to ${formatValue(surely[1], unit)}`
}

export function formatVerdict({ verdict, isClose }: Row): string {
  if (verdict === 'for comparison') return ''
  return isClose ? `${verdict}, narrowly` : verdict
}

/** The results as lines of text. */
export function renderTable({ groups, failures }: Results): string {
  const cells = groups.map(({ title, rows }) => ({
    title,
    rows: rows.map((row) => [
      row.title,
      formatValue(row.spread.median, row.unit),
      formatTarget(row),
      formatVerdict(row),
      formatInterval(row),
      `n = ${row.spread.count}`,
    ]),
  }))
  const all = cells.flatMap(({ rows }) => rows)
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(0, ...all.map((row) => row[column]?.length ?? 0)))
  const lines = cells.flatMap(({ title, rows }) => [
    '',
    title,
    ...rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd()),
  ])
  return [...lines, ...failures.map(({ case: name, message }) => `\nNOT MEASURED: ${name}: ${message}`)].join('\n')
}
