import { type CallBar, type Lane, type Mark, type Picture, type RefreshBar, WORKER_LANE } from './model.ts'
import type { TimeRange } from './scale.ts'

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface LaneBox {
  readonly lane: Lane
  readonly top: number
  readonly height: number
  /** The top of the first row. */
  readonly firstRow: number
  readonly rowHeight: number
  readonly gap: number
}

/** The positions of all items, in CSS pixels. */
export interface Layout {
  readonly range: TimeRange
  readonly width: number
  readonly height: number
  /** The left edge of the bars. The lanes' names are left of it, if there is space. */
  readonly gutter: number
  readonly lanes: readonly LaneBox[]
  /** The time until which open items are drawn. */
  readonly edge: number
  toX(at: number): number
  toTime(x: number): number
  /** Undefined outside the visible range. */
  boxOf(item: CallBar | RefreshBar | Mark): Box | undefined
}

export const AXIS_HEIGHT = 26
export const MARK_SIZE = 12
const WORKER_HEIGHT = 68
const LANE_PADDING = 8
const LANE_SPACE = 6
const SHORTEST_BAR = 4
/** Below this width, names are above their lanes. */
const NARROW = 560

/**
 * Lays out the visible part of a picture. Pages that have left are shown only if they have a bar in the range. With
 * `hidesIdle`, the same applies to pages without a name.
 */
export function layOut(
  picture: Picture,
  range: TimeRange,
  width: number,
  edge: number,
  { hidesIdle = false }: { readonly hidesIdle?: boolean } = {},
): Layout {
  const gutter = width < NARROW ? 0 : 96
  const strip = gutter === 0 ? 16 : 0
  const mostRows = countRows(picture.calls, range, edge)
  const lanes: LaneBox[] = []
  let top = AXIS_HEIGHT
  for (const lane of picture.lanes) {
    const rows = Math.max(...[lane.id, ...(lane.joined ?? [])].map((id) => mostRows.get(id) ?? 0))
    const isHere = lane.until === undefined || lane.until >= range.from
    const isOld = lane.from > range.until || !isHere
    const isIdle = hidesIdle && lane.name === undefined
    if (lane.kind === 'page' && rows === 0 && (isOld || isIdle)) continue
    const rowHeight = lane.kind === 'worker' ? 16 : heightOfRow(rows)
    const gap = rowHeight >= 7 ? 2 : rowHeight >= 4 ? 1 : 0
    const height =
      strip + (lane.kind === 'worker' ? WORKER_HEIGHT : Math.max(30, 2 * LANE_PADDING + Math.max(1, rows) * rowHeight))
    lanes.push({ lane, top, height, firstRow: top + strip + LANE_PADDING, rowHeight, gap })
    top += height + LANE_SPACE
  }
  return placeLanes(lanes, range, width, gutter, edge)
}

/** Places bars and marks in lanes with known heights. */
export function placeLanes(
  lanes: readonly LaneBox[],
  range: TimeRange,
  width: number,
  gutter: number,
  edge: number,
): Layout {
  const scale = (width - gutter) / (range.until - range.from)
  const toX = (at: number) => gutter + (at - range.from) * scale
  const last = lanes.at(-1)
  const height = last === undefined ? AXIS_HEIGHT : last.top + last.height + LANE_SPACE
  const boxes = new Map(
    lanes.flatMap((box) => [box.lane.id, ...(box.lane.joined ?? [])].map((id) => [id, box] as const)),
  )

  function boxOf(item: CallBar | RefreshBar | Mark): Box | undefined {
    const box = boxes.get(item.type === 'call' ? item.lane : WORKER_LANE)
    if (box === undefined) return undefined
    if (item.type === 'mark') {
      const x = toX(item.at)
      if (x < gutter - MARK_SIZE || x > width + MARK_SIZE) return undefined
      return { x: x - MARK_SIZE / 2, y: box.firstRow, width: MARK_SIZE, height: MARK_SIZE }
    }
    const end = item.end?.at ?? edge
    if (end < range.from || item.from > range.until) return undefined
    const x = toX(item.from)
    const barWidth = Math.max(SHORTEST_BAR, toX(end) - x)
    if (item.type === 'refresh') return { x, y: box.firstRow + MARK_SIZE + 9, width: barWidth, height: 18 }
    return {
      x,
      y: box.firstRow + item.row * box.rowHeight,
      width: barWidth,
      height: box.rowHeight - box.gap,
    }
  }

  return {
    range,
    width,
    height,
    gutter,
    lanes,
    edge,
    toX,
    toTime: (x) => range.from + (x - gutter) / scale,
    boxOf,
  }
}

function countRows(calls: readonly CallBar[], range: TimeRange, edge: number): Map<string, number> {
  const most = new Map<string, number>()
  for (const { lane, row, from, end } of calls) {
    if (from > range.until || (end?.at ?? edge) < range.from) continue
    if (row >= (most.get(lane) ?? 0)) most.set(lane, row + 1)
  }
  return most
}

/** A few calls are drawn large, many calls small. */
function heightOfRow(rows: number): number {
  if (rows <= 3) return 16
  if (rows <= 10) return 11
  if (rows <= 30) return 7
  if (rows <= 80) return 4
  return Math.max(0.4, 240 / rows)
}

/** The item at or near a point. If there are several, the smallest. */
export function findAt(
  picture: Picture,
  layout: Layout,
  point: { readonly x: number; readonly y: number },
  reach: number,
): CallBar | RefreshBar | Mark | undefined {
  let best: CallBar | RefreshBar | Mark | undefined
  let least = Number.POSITIVE_INFINITY
  for (const items of [picture.calls, picture.refreshes, picture.marks]) {
    for (const item of items) {
      const box = layout.boxOf(item)
      if (box === undefined) continue
      const away = distance(box, point)
      // The distance inside an item is 0, so that the shorter of two is chosen.
      const weight = away * 1000 + Math.min(box.width, 999)
      if (away <= reach && weight < least) {
        least = weight
        best = item
      }
    }
  }
  return best
}

function distance({ x, y, width, height }: Box, point: { readonly x: number; readonly y: number }): number {
  const across = Math.max(x - point.x, 0, point.x - (x + width))
  const down = Math.max(y - point.y, 0, point.y - (y + height))
  return Math.hypot(across, down)
}
