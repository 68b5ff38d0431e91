import { AXIS_HEIGHT, type Box, type Layout, MARK_SIZE } from './layout.ts'
import type { CallBar, Mark, MarkKind, Phase, Picture, RefreshBar } from './model.ts'
import type { Fill, Pen } from './pen.ts'
import { formatTick, listTicks } from './scale.ts'
import { formatDuration, type Language, labelMark, nameLane } from './story.ts'
import type { Theme } from './theme.ts'

export interface Scene {
  readonly picture: Picture
  readonly layout: Layout
  readonly theme: Theme
  readonly language: Language
  readonly selected?: string | undefined
  /** The current time, while the drawing follows it. */
  readonly now?: number | undefined
  /** Draws the ended calls, if the pen does not draw them. */
  readonly drawEnded?: () => void
}

/** Shorter bars show only their end. */
const SHORTEST_STORY = 9

/** Draws a scene with the given pen, independently of the page. */
export function paint(pen: Pen, scene: Scene): void {
  paintLanes(pen, scene)
  paintTicks(pen, scene)
  paintSpans(pen, scene)
  for (const mark of scene.picture.marks) paintMarkLine(pen, scene, mark)
  for (const refresh of scene.picture.refreshes) paintRefresh(pen, scene, refresh)
  scene.drawEnded?.()
  paintCalls(pen, scene, scene.drawEnded ? 'open' : 'all')
  paintNow(pen, scene)
  paintSelection(pen, scene)
  paintMarks(pen, scene)
  paintNames(pen, scene)
}

function paintLanes(pen: Pen, { layout, theme }: Scene): void {
  for (const { lane, top, height } of layout.lanes) {
    const x = Math.max(layout.gutter, layout.toX(lane.from))
    const until = lane.until === undefined ? layout.width : Math.min(layout.width, layout.toX(lane.until))
    // Faint before the page connected and after it left.
    pen.outline(layout.gutter + 1, top + 1, layout.width - layout.gutter - 2, height - 2, theme.lane, 5)
    if (until > x) pen.rect(x, top, until - x, height, { color: theme.lane }, 6)
  }
}

function paintTicks(pen: Pen, { layout, theme }: Scene): void {
  for (const { at, step } of listTicks(layout.range, layout.width - layout.gutter, 96)) {
    const x = Math.round(layout.toX(at)) + 0.5
    pen.line(x, AXIS_HEIGHT - 6, x, layout.height, theme.line)
    const label = formatTick(at, step)
    const half = pen.measure(label, 11) / 2
    if (x - half < layout.gutter || x + half > layout.width) continue
    pen.text(x, AXIS_HEIGHT / 2 - 2, label, { color: theme.quiet, size: 11, align: 'center' })
  }
}

function paintSpans(pen: Pen, { picture, layout, theme }: Scene): void {
  const worker = layout.lanes.find(({ lane }) => lane.kind === 'worker')
  if (worker === undefined) return
  for (const { kind, from, until } of picture.spans) {
    const x = Math.max(layout.toX(from), layout.gutter)
    const end = Math.min(layout.toX(until ?? layout.edge), layout.width)
    if (end <= x) continue
    if (kind === 'signed-in') pen.rect(x, worker.top + worker.height - 5, end - x, 3, { color: theme.ok })
    else pen.rect(x, worker.top + 2, end - x, worker.height - 9, { color: theme['wait-tint'] }, 4)
  }
}

function paintMarkLine(pen: Pen, { layout, theme }: Scene, mark: Mark): void {
  const x = layout.toX(mark.at)
  if (x < layout.gutter || x > layout.width) return
  pen.line(x, AXIS_HEIGHT, x, layout.height, MARKS[mark.kind].isProblem ? theme.fail : theme.idle, 1, 3)
}

function paintRefresh(pen: Pen, { layout, theme, language }: Scene, bar: RefreshBar): void {
  const box = layout.boxOf(bar)
  if (box === undefined) return
  const { x, y, width, height } = box
  const outcome = bar.end?.outcome
  const isDone = outcome === 'succeeded'
  if (bar.end?.delay !== undefined) {
    const next = layout.toX(bar.end.at + bar.end.delay)
    pen.line(x + width, y + height / 2, next, y + height / 2, theme.wait, 2, 3)
  }
  pen.rect(x, y, width, height, { color: theme.wait }, 4)
  const text = `${language === 'zh' ? '刷新' : 'refresh'} ${formatDuration((bar.end?.at ?? layout.edge) - bar.from, language)}`
  if (pen.measure(text, 11) + 22 < width) {
    pen.text(Math.max(x, layout.gutter) + 7, y + height / 2 + 0.5, text, {
      color: theme['on-wait'],
      size: 11,
      weight: 600,
    })
  }
  if (outcome === undefined || outcome === 'lost' || outcome === 'dropped') return
  paintEnd(pen, { x, y, width, height }, isDone ? theme.ok : theme.fail, !isDone, theme)
}

export function paintCalls(
  pen: Pen,
  { picture, layout, theme }: Pick<Scene, 'picture' | 'layout' | 'theme'>,
  which: 'all' | 'ended' | 'open',
): void {
  const fills: Record<Phase['kind'], Fill> = {
    received: { color: theme.idle },
    waiting: { color: theme.wait, pattern: 'hatch', tint: theme['wait-tint'] },
    sent: { color: theme.sent },
    replayed: { color: theme.replay, pattern: 'dots', tint: theme['replay-tint'] },
  }
  for (const call of picture.calls) {
    if (which !== 'all' && (which === 'open') !== (call.end === undefined)) continue
    const box = layout.boxOf(call)
    if (box !== undefined) paintCall(pen, layout, theme, fills, call, box)
  }
}

function paintCall(
  pen: Pen,
  layout: Layout,
  theme: Theme,
  fills: Record<Phase['kind'], Fill>,
  call: CallBar,
  box: Box,
): void {
  const { x, y, width, height } = box
  const { phases, end } = call
  const isBad = end !== undefined && isProblem(call)
  if (width < SHORTEST_STORY) {
    const last = phases.at(-1)?.kind ?? 'received'
    const color = end === undefined ? fills[last].color : isBad ? theme.fail : theme.ok
    pen.rect(x, y, width, height, { color })
    return
  }
  phases.forEach(({ kind, from }, index) => {
    const start = layout.toX(from)
    const stop = layout.toX(phases[index + 1]?.from ?? end?.at ?? layout.edge)
    if (stop - start < 0.5) return
    const fill = fills[kind]
    const notch = kind === 'replayed' ? 1.5 : 0
    // A pattern needs space to be visible. Without it, the wait is drawn as a thin line.
    const isPlain = height < 4
    const thin = isPlain && kind === 'waiting' && height >= 2 ? height / 2 : 0
    pen.rect(start + notch, y + thin / 2, stop - start - notch, height - thin, isPlain ? { color: fill.color } : fill)
    if (fill.pattern !== undefined && height >= 7) {
      pen.rect(start + notch, y + height - 1.5, stop - start - notch, 1.5, { color: fill.color })
    }
  })
  if (end === undefined) return
  if (end.outcome === 'lost') pen.outline(x, y + 1, width - 1, height - 2, theme.idle, 2)
  else paintEnd(pen, box, isBad ? theme.fail : theme.ok, isBad, theme)
}

/** The end of a bar: a block, with a cross if the call failed. */
function paintEnd(pen: Pen, { x, y, width, height }: Box, color: string, isBad: boolean, theme: Theme): void {
  const size = isBad && height >= 9 ? Math.min(height, 14) : Math.min(Math.max(4, height * 0.4), 6)
  const left = x + width - size
  pen.rect(left, y, size, height, { color }, 2)
  if (!isBad || height < 9) return
  const [middle, center, arm] = [left + size / 2, y + height / 2, size * 0.24]
  pen.line(middle - arm, center - arm, middle + arm, center + arm, theme.background, 1.75)
  pen.line(middle - arm, center + arm, middle + arm, center - arm, theme.background, 1.75)
}

export function isProblem({ end }: CallBar): boolean {
  return end !== undefined && (end.outcome !== 'answered' || (end.status ?? 200) >= 400)
}

function paintNow(pen: Pen, { layout, theme, now }: Scene): void {
  if (now === undefined) return
  const x = layout.toX(now)
  pen.line(x, AXIS_HEIGHT - 6, x, layout.height, theme.quiet, 1.5)
}

function paintSelection(pen: Pen, { picture, layout, theme, selected }: Scene): void {
  if (selected === undefined) return
  const isSelected = ({ id }: { readonly id: string }) => id === selected
  const item = picture.calls.find(isSelected) ?? picture.refreshes.find(isSelected) ?? picture.marks.find(isSelected)
  const box = item && layout.boxOf(item)
  if (item === undefined || box === undefined) return
  if (item.type !== 'mark') {
    for (const x of [box.x, box.x + box.width]) pen.line(x, AXIS_HEIGHT, x, layout.height, theme.text, 0.75, 2)
  }
  pen.outline(box.x - 3, box.y - 3, box.width + 6, box.height + 6, theme.background, 5)
  pen.outline(box.x - 2, box.y - 2, box.width + 4, box.height + 4, theme.text, 4)
}

const MARKS: Record<MarkKind, { readonly isProblem?: boolean; readonly color: keyof Theme }> = {
  'worker-started': { color: 'quiet' },
  'worker-lost': { color: 'fail', isProblem: true },
  'signed-in': { color: 'ok' },
  'signed-out': { color: 'text' },
  'sign-in-failed': { color: 'fail' },
  unreachable: { color: 'fail', isProblem: true },
  reachable: { color: 'ok' },
  'store-failed': { color: 'fail' },
  note: { color: 'text' },
}

function paintMarks(pen: Pen, scene: Scene): void {
  const { picture, layout, theme, language } = scene
  const seen = picture.marks.flatMap((mark) => {
    const box = layout.boxOf(mark)
    return box === undefined ? [] : [{ mark, box }]
  })
  seen.sort((one, other) => one.box.x - other.box.x)
  let free = 0
  let last = 0
  seen.forEach(({ mark, box }, index) => {
    const [x, y] = [box.x + MARK_SIZE / 2, box.y + MARK_SIZE / 2]
    paintGlyph(pen, mark.kind, x, y, theme)
    const label = labelMark(mark, language)
    const width = pen.measure(label, 11)
    const begin = box.x + MARK_SIZE + 4
    const next = seen[index + 1]?.box.x ?? Number.POSITIVE_INFINITY
    const colors = { color: theme.text, size: 11 }
    if (begin >= free && begin + width + 4 <= Math.min(next, layout.width)) {
      pen.text(begin, y + 0.5, label, colors)
      free = begin + width
    } else if (begin + width > layout.width && box.x - width - 8 > Math.max(free, last)) {
      pen.text(box.x - 4, y + 0.5, label, { ...colors, align: 'right' })
    }
    last = box.x + MARK_SIZE
    free = Math.max(free, last)
  })
}

/** Each kind has its own shape, so that users can distinguish them without colours. */
function paintGlyph(pen: Pen, kind: MarkKind, x: number, y: number, theme: Theme): void {
  const color = theme[MARKS[kind].color]
  const r = MARK_SIZE / 2 - 0.5
  const cross = (own: string, arm: number) => {
    pen.line(x - arm, y - arm, x + arm, y + arm, own, 2)
    pen.line(x - arm, y + arm, x + arm, y - arm, own, 2)
  }
  switch (kind) {
    case 'signed-in':
      pen.shape(
        [
          [x, y - r],
          [x + r, y + r - 1],
          [x - r, y + r - 1],
        ],
        color,
        true,
      )
      return
    case 'signed-out':
      pen.shape(
        [
          [x - r, y - r + 1],
          [x + r, y - r + 1],
          [x, y + r],
        ],
        color,
        true,
      )
      return
    case 'unreachable':
      pen.shape(
        [
          [x, y - r],
          [x + r, y],
          [x, y + r],
          [x - r, y],
        ],
        color,
        true,
      )
      return
    case 'reachable':
      pen.shape(
        [
          [x, y - r],
          [x + r, y],
          [x, y + r],
          [x - r, y],
        ],
        color,
        false,
      )
      return
    case 'worker-started':
      pen.circle(x, y, r - 1, color, false)
      return
    case 'worker-lost':
      pen.circle(x, y, r, color, true)
      cross(theme.background, 2.4)
      return
    case 'sign-in-failed':
      cross(color, r - 1)
      return
    case 'store-failed':
      pen.shape(
        [
          [x - r + 1, y - r + 1],
          [x + r - 1, y - r + 1],
          [x + r - 1, y + r - 1],
          [x - r + 1, y + r - 1],
        ],
        color,
        true,
      )
      return
    case 'note':
      pen.line(x, y - r, x, y + r, color, 2)
      pen.shape(
        [
          [x, y - r],
          [x + r + 1, y - r + 3],
          [x, y - r + 6],
        ],
        color,
        true,
      )
  }
}

function paintNames(pen: Pen, { layout, theme, language }: Scene): void {
  // Bars may extend to the left edge, so the names are drawn over them.
  if (layout.gutter > 0) pen.rect(0, 0, layout.gutter, layout.height, { color: theme.background })
  for (const { lane, top, height } of layout.lanes) {
    const isGone = lane.until !== undefined
    const style = {
      color: isGone ? theme.quiet : theme.text,
      size: 12,
      weight: lane.own || lane.kind === 'worker' ? 650 : 400,
    }
    const name = nameLane(lane, language)
    if (layout.gutter === 0) pen.text(8, top + 11, name, { ...style, size: 11 })
    else pen.text(layout.gutter - 12, top + Math.min(height / 2, 40), name, { ...style, align: 'right' })
  }
}
