import type { HistoryEntry } from 'lingpai'
import { createBarCache } from './bar-cache.ts'
import { createFeed, type ReadHistory } from './feed.ts'
import { listenForGestures } from './gestures.ts'
import { findAt, type Layout, layOut } from './layout.ts'
import { createModel, type Lane, nameLanes, type Picture } from './model.ts'
import { isProblem, paint } from './paint.ts'
import { createCanvasPen, createSvgPen, type Pen } from './pen.ts'
import { panBy, type TimeRange, zoomAround } from './scale.ts'
import { type Item, type Language, tellItem } from './story.ts'
import { STYLES } from './styles.ts'
import { summarize, textsOf } from './texts.ts'
import { readTheme, type Theme } from './theme.ts'

export interface TimelineOptions {
  /** The source of the events: `session.explain`. Without it, the drawing contains only the entries of `add`. */
  readonly events?: ReadHistory
  /** The poll interval in milliseconds. Default 250. No polls while the page is hidden. */
  readonly interval?: number
  /** Default `en`. */
  readonly language?: Language
  /** The initial time range, in milliseconds. Default 15,000. */
  readonly span?: number
  /**
   * The app's name for a page, in the language of the drawing; see `laneIdOf`. If it is given, pages without a name are
   * drawn only while they have calls, and pages with the same name share a lane.
   */
  readonly nameLane?: (lane: Lane) => string | undefined
  /** Called with the item that the user selected, or undefined after the selection is cleared. */
  readonly onSelect?: (item: Item | undefined) => void
}

export interface Timeline {
  /** Adds entries of a history: recorded ones, or another session's. */
  readonly add: (entries: readonly HistoryEntry[]) => void
  /** Adds the app's own mark. Default of `at`: now. */
  readonly note: (text: string, at?: number) => void
  /** Reads the names of the pages again. */
  readonly rename: () => void
  /** Stops the movement of the drawing. New events are still added. */
  readonly pause: () => void
  /** Follows the current time. */
  readonly resume: () => void
  /** Shows a time range in milliseconds since 1970, or all events. */
  readonly zoomTo: (range?: TimeRange) => void
  readonly setLanguage: (language: Language) => void
  /** The visible drawing as a complete SVG document. */
  readonly exportSVG: () => string
  /** All entries, in the format of `session.explain` and `add`. */
  readonly exportJSON: () => string
  readonly destroy: () => void
}

const MAX_ENTRIES = 50_000
const MAX_LISTED = 100
/** In milliseconds. */
const CLOCK_TOLERANCE = 1000
/** The space after the current time, as a share of the range. */
const AHEAD = 0.04

/** Draws a timeline into a shadow root of an element. The element's content does not change. */
export function mountTimeline(element: HTMLElement, options: TimelineOptions = {}): Timeline {
  const { events, interval = 250, span = 15_000, nameLane, onSelect } = options
  let language = options.language ?? 'en'
  let texts = textsOf(language)
  const root = element.shadowRoot ?? element.attachShadow({ mode: 'open' })
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(STYLES)
  root.adoptedStyleSheets = [sheet]
  root.innerHTML = FRAME
  const find = <Found extends HTMLElement>(name: string) => root.querySelector(`.${name}`) as Found
  const [stage, story, summary, empty] = [find('stage'), find('story'), find('summary'), find('empty')]
  const [live, details, list] = [find<HTMLButtonElement>('live'), find<HTMLDetailsElement>('details'), find('list')]
  const canvas = find<HTMLCanvasElement>('canvas')
  const context = canvas.getContext('2d') as CanvasRenderingContext2D

  const laneOptions = { hidesIdle: nameLane !== undefined }
  const model = createModel()
  const bars = createBarCache()
  const recorded: HistoryEntry[] = []
  let picture = model.picture()
  let range: TimeRange = { from: Date.now() - span, until: Date.now() + span * AHEAD }
  let isLive = true
  let ahead = 0
  let selected: string | undefined
  let layout: Layout | undefined
  let theme: Theme = readTheme(element)
  let pen: Pen = createCanvasPen(context)
  let frame = 0
  let drawnAt = 0
  let isChanged = true
  const stop = new AbortController()

  function add(entries: readonly HistoryEntry[]): void {
    if (entries.length === 0) return
    model.add(entries)
    recorded.push(...entries)
    compareClocks(entries.at(-1) as HistoryEntry)
    if (recorded.length > MAX_ENTRIES) recorded.splice(0, MAX_ENTRIES / 4)
    takePicture()
  }

  function takePicture(): void {
    picture = model.picture()
    if (nameLane !== undefined) picture = { ...picture, lanes: nameLanes(picture.lanes, nameLane) }
    tellAll()
    change()
  }

  /** The time by the worker's clock, which the user may have moved. */
  function now(): number {
    return Date.now() + ahead
  }

  function compareClocks({ at }: HistoryEntry): void {
    const difference = at - Date.now()
    // A late entry does not mean that the clock is behind, and a small difference is only the delay of a message.
    ahead = difference > CLOCK_TOLERANCE ? difference : 0
  }

  function change(): void {
    isChanged = true
    if (frame === 0 && !stop.signal.aborted) frame = requestAnimationFrame(draw)
  }

  function draw(): void {
    frame = 0
    const width = stage.clientWidth
    if (isLive) {
      const length = range.until - range.from
      const at = now()
      // Half a pixel, or a whole step if the user prefers reduced motion.
      const step = REDUCED.matches ? length / 10 : length / Math.max(width, 1) / 2
      if (isChanged || Math.abs(at - drawnAt) >= step) {
        drawnAt = at
        if (!REDUCED.matches || at > range.until || at < range.from) {
          const ahead = REDUCED.matches ? 0.25 : AHEAD
          range = { from: at - length * (1 - ahead), until: at + length * ahead }
        }
        isChanged = true
      }
    }
    if (isChanged && width > 0) {
      isChanged = false
      drawNow(width)
    }
    if (isLive && document.visibilityState === 'visible') frame = requestAnimationFrame(draw)
  }

  function drawNow(width: number): void {
    layout = layOut(picture, range, width, isLive ? now() : Math.max(range.until, now()), laneOptions)
    const height = Math.max(Math.ceil(layout.height), 150)
    const ratio = devicePixelRatio
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide
      canvas.height = high
      canvas.style.height = `${height}px`
      pen = createCanvasPen(context)
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.fillStyle = theme.background
    context.fillRect(0, 0, width, height)
    const shown = layout
    const drawEnded = () => bars.drawInto(context, picture, shown, theme, ratio)
    paint(pen, { picture, layout, theme, language, selected, now: isLive ? now() : undefined, drawEnded })
  }

  function tellAll(): void {
    const count = (test: (call: Picture['calls'][number]) => boolean) => picture.calls.filter(test).length
    const text = summarize(
      {
        calls: picture.calls.length,
        open: count(({ end }) => end === undefined),
        failed: count(isProblem),
        refreshes: picture.refreshes.length,
      },
      language,
    )
    if (summary.textContent !== text) summary.textContent = text
    empty.hidden = picture.from !== undefined
    if (selected !== undefined) tellSelected()
    if (details.open) fillList()
  }

  function fillList(): void {
    const items = picture.calls.slice(-MAX_LISTED).reverse()
    list.replaceChildren(
      ...items.map((item) => {
        const line = document.createElement('li')
        line.textContent = tell(item)
        return line
      }),
    )
  }

  function tell(item: Item): string {
    const isOf = ({ id, joined }: Lane) => item.type === 'call' && (id === item.lane || joined?.includes(item.lane))
    const lane = picture.lanes.find(isOf)
    return tellItem(item, language, lane)
  }

  function listItems(): Item[] {
    return [...picture.calls, ...picture.refreshes, ...picture.marks]
  }

  function select(item: Item | undefined, isChosen: boolean): void {
    if (item?.id !== selected) {
      selected = item?.id
      tellSelected()
      change()
    }
    if (isChosen) onSelect?.(item)
  }

  function tellSelected(): void {
    const item = selected === undefined ? undefined : listItems().find(({ id }) => id === selected)
    const text = item === undefined ? texts.hint : tell(item)
    if (story.textContent !== text) story.textContent = text
    story.classList.toggle('quiet', item === undefined)
  }

  function setLive(next: boolean): void {
    isLive = next
    live.setAttribute('aria-pressed', String(next))
    change()
  }

  function zoomTo(next?: TimeRange): void {
    const { from, until } = next ?? { from: picture.from ?? now() - span, until: picture.until ?? now() }
    const margin = next === undefined ? Math.max((until - from) * 0.04, 20) : 0
    range = { from: from - margin, until: until + margin }
    setLive(false)
  }

  function pan(pixels: number): void {
    const width = (layout?.width ?? 1) - (layout?.gutter ?? 0)
    range = panBy(range, (pixels / width) * (range.until - range.from))
    setLive(false)
  }

  function zoom(x: number | undefined, factor: number): void {
    // While the drawing follows the time, the current time stays in place; otherwise the time under the pointer.
    const center = isLive || x === undefined ? (isLive ? now() : (range.from + range.until) / 2) : layout?.toTime(x)
    range = zoomAround(range, center ?? now(), factor)
    change()
  }

  /** Selects the item before or after the selected one in time, and scrolls to it. */
  function step(direction: 1 | -1): void {
    const items = listItems().sort((one, other) => timeOf(one) - timeOf(other))
    const index = items.findIndex(({ id }) => id === selected)
    const seen = items.filter((item) => layout?.boxOf(item) !== undefined)
    const next =
      index === -1
        ? direction === 1
          ? (seen[0] ?? items[0])
          : (seen.at(-1) ?? items.at(-1))
        : items[index + direction]
    if (next === undefined) return
    select(next, true)
    const at = timeOf(next)
    if (at >= range.from && at <= range.until) return
    const length = range.until - range.from
    range = { from: at - length / 2, until: at + length / 2 }
    setLive(false)
  }

  const endGestures = listenForGestures(stage, {
    pan,
    zoom,
    choose: (point) => select(layout && findAt(picture, layout, point, 12), true),
    point(point, isTouch) {
      if (isTouch) return
      const item = point && layout && findAt(picture, layout, point, 3)
      stage.classList.toggle('pointing', item !== undefined)
      if (item !== undefined) select(item, false)
    },
    key(key, isShifted) {
      const far = ((layout?.width ?? 100) - (layout?.gutter ?? 0)) * (isShifted ? 0.8 : 0.15)
      const actions: Record<string, () => void> = {
        ArrowLeft: () => pan(-far),
        ArrowRight: () => pan(far),
        ArrowUp: () => step(-1),
        ArrowDown: () => step(1),
        '+': () => zoom(undefined, 0.7),
        '=': () => zoom(undefined, 0.7),
        '-': () => zoom(undefined, 1.4),
        Home: () => zoomTo(),
        End: () => setLive(true),
        ' ': () => setLive(!isLive),
        Escape: () => select(undefined, true),
      }
      actions[key]?.()
      return actions[key] !== undefined
    },
  })

  function onClick(name: string, work: () => void): void {
    find(name).addEventListener('click', work)
  }
  onClick('live', () => setLive(!isLive))
  onClick('zoom-in', () => zoom(undefined, 0.6))
  onClick('zoom-out', () => zoom(undefined, 1.6))
  onClick('fit', () => zoomTo())
  onClick('save-svg', () => save('lingpai-timeline.svg', 'image/svg+xml', exportSVG()))
  onClick('save-json', () => save('lingpai-timeline.json', 'application/json', exportJSON()))
  details.addEventListener('toggle', fillList)

  function exportSVG(): string {
    const shown = layout ?? layOut(picture, range, 960, now(), laneOptions)
    const paper = createSvgPen()
    paint(paper, { picture, layout: shown, theme: readTheme(element), language, selected: undefined })
    return paper.finish(
      shown.width,
      Math.ceil(shown.height),
      theme.background,
      `${texts.drawing}: ${summary.textContent}`,
    )
  }

  function exportJSON(): string {
    return JSON.stringify(recorded, undefined, 1)
  }

  function setLanguage(next: Language): void {
    language = next
    texts = textsOf(next)
    for (const node of root.querySelectorAll<HTMLElement>('[data-text]')) {
      node.textContent = texts[node.dataset.text as keyof typeof texts]
    }
    for (const node of root.querySelectorAll<HTMLElement>('[data-label]')) {
      node.setAttribute('aria-label', texts[node.dataset.label as keyof typeof texts])
      if (node.matches('button')) node.title = texts[node.dataset.label as keyof typeof texts]
    }
    find('frame').lang = next === 'zh' ? 'zh-CN' : 'en'
    tellSelected()
    tellAll()
    change()
  }

  function recolor(): void {
    theme = readTheme(element)
    pen = createCanvasPen(context)
    change()
  }
  const { signal } = stop
  for (const query of [DARK, REDUCED]) query.addEventListener('change', recolor, { signal })
  const attributes = new MutationObserver(recolor)
  attributes.observe(element, { attributes: true, attributeFilter: ['data-theme', 'style', 'class'] })
  const sizes = new ResizeObserver(change)
  sizes.observe(stage)
  document.addEventListener('visibilitychange', change, { signal })

  let timer: ReturnType<typeof setTimeout> | undefined
  if (events !== undefined) {
    const readNews = createFeed(events)
    const poll = async () => {
      try {
        if (document.visibilityState === 'visible') {
          const news = await readNews()
          if (!signal.aborted) add(news)
        }
      } catch {
        // The worker does not respond now. The next poll gets these events.
      }
      if (!signal.aborted) timer = setTimeout(poll, interval)
    }
    void poll()
  }

  setLanguage(language)
  setLive(true)
  return {
    add,
    note(text, at = now()) {
      model.note(at, text)
      takePicture()
    },
    rename: takePicture,
    pause: () => setLive(false),
    resume: () => setLive(true),
    zoomTo,
    setLanguage,
    exportSVG,
    exportJSON,
    destroy() {
      stop.abort()
      clearTimeout(timer)
      cancelAnimationFrame(frame)
      endGestures()
      sizes.disconnect()
      attributes.disconnect()
      root.replaceChildren()
    },
  }
}

const DARK = matchMedia('(prefers-color-scheme: dark)')
const REDUCED = matchMedia('(prefers-reduced-motion: reduce)')

function timeOf(item: Item): number {
  return item.type === 'mark' ? item.at : item.from
}

function save(name: string, type: string, text: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

const LEGEND = ['refresh', 'waiting', 'sent', 'replayed', 'answered', 'failed']

const FRAME = `<section class="frame" data-label="title">
<div class="bar">
<p class="summary"></p>
<div class="group">
<button type="button" class="live" aria-pressed="true"><i></i><span data-text="resume"></span></button>
<button type="button" class="zoom-out" data-label="zoomOut">−</button>
<button type="button" class="zoom-in" data-label="zoomIn">+</button>
<button type="button" class="fit" data-text="fit"></button>
</div>
<div class="group">
<button type="button" class="save-svg" data-label="saveSvg">SVG</button>
<button type="button" class="save-json" data-label="saveJson">JSON</button>
</div>
</div>
<div class="stage" tabindex="0" role="application" data-label="drawing" aria-describedby="keys">
<canvas class="canvas" aria-hidden="true"></canvas>
<p class="empty" data-text="empty"></p>
</div>
<p class="story quiet" role="status"></p>
<p id="keys" class="unseen" data-text="keys"></p>
<ul class="legend" data-label="legend">${LEGEND.map((name) => `<li><i class="${name}"></i><span data-text="${name}"></span></li>`).join('')}</ul>
<details class="details"><summary data-text="list"></summary><ol class="list" tabindex="0" data-label="list"></ol></details>
</section>`
