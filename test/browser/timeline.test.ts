import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { mountTimeline, type Timeline, type TimelineOptions } from '../../demo/timeline/index.ts'
import type { HistoryEntry } from '../../src/index.ts'
import { createScript, tellStorm, tellStoryOfOneSession } from '../fixtures/timeline-events.ts'

const START = Date.UTC(2030, 0, 1)

let host: HTMLElement
let timeline: Timeline | undefined

beforeEach(() => {
  host = document.createElement('div')
  host.style.width = '900px'
  document.body.append(host)
})
afterEach(() => {
  timeline?.destroy()
  timeline = undefined
  host.remove()
})

function open(options: TimelineOptions = {}): Timeline {
  timeline = mountTimeline(host, options)
  return timeline
}

function find<Found extends HTMLElement>(selector: string): Found {
  const found = host.shadowRoot?.querySelector<Found>(selector)
  if (!found) throw new Error(`there is no ${selector}`)
  return found
}

const nextFrame = () => new Promise(requestAnimationFrame)

/** A change requests a frame, and that frame draws: so two frames later, the drawing is current. */
async function drawn(): Promise<void> {
  await nextFrame()
  await nextFrame()
}

/** Colours of the drawing, in a column of pixels or at one pixel. */
function colorsAt(x: number): Set<string> {
  const canvas = find<HTMLCanvasElement>('canvas')
  const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(
    Math.round(x * devicePixelRatio),
    0,
    1,
    canvas.height,
  )
  const colors = new Set<string>()
  for (let index = 0; index < data.length; index += 4) colors.add(data.slice(index, index + 3).join())
  return colors
}

function textOf(selector: string): string {
  return find(selector).textContent?.replaceAll('\u00a0', ' ') ?? ''
}

function press(key: string): void {
  find('.stage').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
}

function point(type: string, x: number, y: number, pointerId = 1): void {
  const { left, top } = find('.stage').getBoundingClientRect()
  const event = { clientX: left + x, clientY: top + y, pointerId, pointerType: 'mouse', bubbles: true, button: 0 }
  find('.stage').dispatchEvent(new PointerEvent(type, event))
}

/** The labels of the axis, from the text of the SVG. */
function ticks(): string[] {
  return (timeline?.exportSVG().match(/>\d\d:\d\d(:\d\d)?(\.\d+)?</g) ?? []).map((text) => text.slice(1, -1))
}

/** One call from 0 to 1000 ms. The view is from -100 to 1100 ms. */
async function openWithOneCall(options: TimelineOptions = {}): Promise<{ x(at: number): number; y: number }> {
  const script = createScript(START)
  script.worker('one').plain(1, 0, 1000)
  open(options).add(script.entries())
  timeline?.zoomTo({ from: START - 100, until: START + 1100 })
  await drawn()
  const width = find('.stage').clientWidth - 96
  return { x: (at) => 96 + ((at + 100) / 1200) * width, y: 26 + 68 + 6 + 8 + 8 }
}

test('a call is drawn only at its time and in its row', async () => {
  const { x } = await openWithOneCall()
  const blue = '43,108,212'
  host.dataset.theme = 'light'
  await drawn()
  expect(colorsAt(x(500))).toContain(blue)
  expect(colorsAt(x(-50))).not.toContain(blue)
  expect(colorsAt(x(1050))).not.toContain(blue)
  expect(colorsAt(x(998))).toContain('11,128,88')
})

test('the drawing uses the dark theme, the light theme or the colours of the app', async () => {
  const { x } = await openWithOneCall()
  const seen = []
  for (const theme of ['light', 'dark']) {
    host.dataset.theme = theme
    await drawn()
    seen.push(colorsAt(x(500)))
  }
  expect(seen[0]).toContain('255,255,255')
  expect(seen[1]).not.toContain('255,255,255')
  host.style.setProperty('--timeline-sent', 'rgb(1, 2, 3)')
  await drawn()
  expect(colorsAt(x(500))).toContain('1,2,3')
})

test('hovering over a bar shows its story, and a click selects it', async () => {
  const onSelect = vi.fn()
  const { x, y } = await openWithOneCall({ onSelect })
  point('pointermove', x(500), y)
  expect(textOf('.story')).toContain('GET api.example.com, from this page. Sent, and answered after 1.00 s.')
  expect(onSelect).not.toHaveBeenCalled()
  point('pointerdown', x(500), y)
  point('pointerup', x(500), y)
  expect(onSelect).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ type: 'call', method: 'GET' }))
})

test('it follows a worker whose clock is an hour ahead, and then the next worker', async () => {
  const script = (instance: string, at: number) => {
    const events = createScript(at)
    const worker = events.worker(instance)
    worker.put({ at: 0, event: 'started' })
    worker.hangs(1, 10)
    return events.entries()
  }
  const hour = 3_600_000
  open({ span: 2000 }).add(script('first', Date.now() + hour))
  await drawn()
  const ahead = ticks()
  await vi.waitFor(() => expect(ticks()).not.toEqual(ahead), { timeout: 5000 })
  timeline?.add(script('second', Date.now()))
  await drawn()
  const [first] = ticks()
  expect(first).toBeDefined()
  expect(ahead).not.toContain(first)
})

test('the arrow keys select bar after bar in time order, and Escape clears the selection', async () => {
  open().add(tellStoryOfOneSession(START))
  timeline?.zoomTo()
  await drawn()
  const stories = []
  for (let index = 0; index < 5; index += 1) {
    press('ArrowDown')
    stories.push(textOf('.story'))
  }
  expect(stories.slice(0, 3)).toEqual([
    'The worker started.',
    'Signed in.',
    'GET api.example.com, from this page. Sent, and answered after 240 ms. Status 200, 240 ms in all.',
  ])
  press('ArrowUp')
  expect(textOf('.story')).toBe(stories[3])
  press('Escape')
  expect(textOf('.story')).toContain('Hover over a bar')
})

test('keys, the wheel with Ctrl, and a drag zoom and pan', async () => {
  const { x, y } = await openWithOneCall()
  const before = ticks()
  press('+')
  await drawn()
  const zoomed = ticks()
  expect(zoomed).not.toEqual(before)
  press('ArrowRight')
  await drawn()
  expect(ticks()).not.toEqual(zoomed)
  press('Home')
  await drawn()
  const all = ticks()
  const wheel = new WheelEvent('wheel', { deltaY: 300, ctrlKey: true, cancelable: true, clientX: 500 })
  find('.stage').dispatchEvent(wheel)
  await drawn()
  expect(wheel.defaultPrevented).toBe(true)
  expect(ticks()).not.toEqual(all)
  press('Home')
  point('pointerdown', 400, 200)
  for (const moved of [300, 200]) point('pointermove', moved, 200)
  point('pointerup', 200, 200)
  await drawn()
  expect(ticks()).not.toEqual(all)
  expect(x(0)).toBeLessThan(y + 400)
})

test('the wheel without Ctrl scrolls the page', async () => {
  await openWithOneCall()
  const wheel = new WheelEvent('wheel', { deltaY: 300, cancelable: true })
  find('.stage').dispatchEvent(wheel)
  expect(wheel.defaultPrevented).toBe(false)
})

test('two fingers zoom', async () => {
  await openWithOneCall()
  // The browser captures only real pointers, and these are synthetic.
  find('.stage').setPointerCapture = () => {}
  const before = ticks()
  point('pointerdown', 300, 150, 1)
  point('pointerdown', 500, 150, 2)
  point('pointermove', 250, 150, 1)
  point('pointermove', 650, 150, 2)
  for (const id of [1, 2]) point('pointerup', 0, 150, id)
  await drawn()
  expect(ticks()).not.toEqual(before)
})

test('it follows new events, except while it is paused', async () => {
  const script = createScript(Date.now())
  script.worker('one').hangs(1, 0)
  open({ span: 200 }).add(script.entries())
  const live = find('.live')
  await drawn()
  const first = ticks().at(-1)
  await vi.waitFor(() => expect(ticks().at(-1)).not.toBe(first))
  press(' ')
  expect(live.getAttribute('aria-pressed')).toBe('false')
  await drawn()
  const paused = ticks()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(ticks()).toEqual(paused)
  live.click()
  expect(live.getAttribute('aria-pressed')).toBe('true')
  await vi.waitFor(() => expect(ticks()).not.toEqual(paused))
})

test('it polls for new events, continues after a failure, and stops when it is destroyed', async () => {
  const entries = tellStoryOfOneSession(START)
  let isBroken = true
  const events = vi.fn(async ({ after = 0 }: { after?: number } = {}): Promise<HistoryEntry[]> => {
    isBroken = !isBroken
    if (!isBroken) throw new Error('lost')
    return entries.filter(({ instance, number }) => instance === 'first' && number > after)
  })
  open({ events, interval: 5 })
  await vi.waitFor(() => expect(textOf('.summary')).toMatch(/^\d\d calls · 5 refreshes/))
  await vi.waitFor(() => expect(events.mock.calls.length).toBeGreaterThan(5))
  timeline?.destroy()
  timeline = undefined
  const count = events.mock.calls.length
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(events.mock.calls.length - count).toBeLessThanOrEqual(1)
})

test('exported JSON can be drawn again', async () => {
  const entries = tellStoryOfOneSession(START)
  open().add(entries)
  const exported = JSON.parse(timeline?.exportJSON() ?? '')
  expect(exported).toEqual(entries)
})

test('exported SVG is a complete document with every visible call and no script', async () => {
  open().add(tellStorm(START, 60))
  timeline?.note('</text><script>alert(1)</script>', START + 50)
  timeline?.zoomTo()
  await drawn()
  const text = timeline?.exportSVG() ?? ''
  const parsed = new DOMParser().parseFromString(text, 'image/svg+xml')
  expect(parsed.querySelector('parsererror')).toBeNull()
  expect(parsed.querySelectorAll('script, foreignObject, [href]')).toHaveLength(0)
  expect(parsed.querySelector('title')?.textContent).toContain('60 calls')
  expect(parsed.querySelectorAll('rect').length).toBeGreaterThan(60 * 3)
  const image = new Image()
  image.src = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }))
  await image.decode()
  expect(image.naturalWidth).toBeGreaterThan(500)
})

test('the list describes every call in words, for users who cannot see the drawing', async () => {
  open().add(tellStorm(START, 30))
  find<HTMLDetailsElement>('details').open = true
  await vi.waitFor(() => expect(find('.list').children).toHaveLength(30))
  expect(textOf('.list li')).toMatch(/api\.example\.com, from (this page|page \d)\./)
})

test('it can switch to Chinese while it runs', async () => {
  const { x, y } = await openWithOneCall({ language: 'zh' })
  point('pointermove', x(500), y)
  expect(textOf('.story')).toContain('来自本页')
  expect(find('.frame').lang).toBe('zh-CN')
  timeline?.setLanguage('en')
  expect(textOf('.story')).toContain('from this page')
  expect(textOf('.live')).toBe('Live')
})

test.each([360, 700, 1440])('nothing overflows a width of %i px', async (width) => {
  host.style.width = `${width}px`
  open().add(tellStoryOfOneSession(START))
  timeline?.zoomTo()
  await drawn()
  for (const part of host.shadowRoot?.querySelectorAll<HTMLElement>('section, .bar, .stage, canvas, .story, .legend') ??
    [])
    expect([part.className, part.scrollWidth <= width]).toEqual([part.className, true])
  expect(find('canvas').getBoundingClientRect().width).toBeGreaterThan(width - 60)
})

test('two thousand bars keep the frame rate of an empty drawing', async () => {
  open()
  const empty = await medianFrame()
  timeline?.add(tellStorm(Date.now() - 3000, 2000))
  await drawn()
  const full = await medianFrame()
  console.log(
    `frames: ${empty.toFixed(1)} ms empty, ${full.toFixed(1)} ms with 2,000 bars, ratio ${(full / empty).toFixed(2)}`,
  )
  expect(textOf('.summary')).toContain('2000 calls')
  expect(full / empty).toBeLessThan(2)
})

async function medianFrame(): Promise<number> {
  const lengths: number[] = []
  let last = (await nextFrame()) as number
  while (lengths.length < 90) {
    const at = (await nextFrame()) as number
    lengths.push(at - last)
    last = at
  }
  return lengths.sort((one, other) => one - other)[45] ?? 0
}
