export interface Gestures {
  /** By how many pixels. */
  pan(pixels: number): void
  /** Zooms around a position by a factor. A factor below 1 shows less time. */
  zoom(x: number, factor: number): void
  /** A click or a tap. */
  choose(point: Point): void
  point(point: Point | undefined, isTouch: boolean): void
  key(key: string, isShifted: boolean): boolean
}

export interface Point {
  readonly x: number
  readonly y: number
}

/** A press that moves further than this is a drag. */
const STILL = 4

/** Turns pointer, wheel and key events of an element into pans, zooms and selections. Returns a function that stops it. */
export function listenForGestures(stage: HTMLElement, gestures: Gestures): () => void {
  const stop = new AbortController()
  const { signal } = stop
  const pressed = new Map<number, Point>()
  let travelled = 0

  const toPoint = ({ clientX, clientY }: MouseEvent): Point => {
    const { left, top } = stage.getBoundingClientRect()
    return { x: clientX - left, y: clientY - top + stage.scrollTop }
  }
  const widthOf = () => {
    const [one, other] = [...pressed.values()]
    return one && other ? Math.max(Math.abs(one.x - other.x), 10) : undefined
  }

  stage.addEventListener(
    'pointerdown',
    (event) => {
      if (event.button !== 0) return
      if (pressed.size === 0) travelled = 0
      pressed.set(event.pointerId, toPoint(event))
    },
    { signal },
  )
  stage.addEventListener(
    'pointermove',
    (event) => {
      const point = toPoint(event)
      const before = pressed.get(event.pointerId)
      if (before === undefined) return gestures.point(point, event.pointerType === 'touch')
      const width = widthOf()
      const center = ([...pressed.values()].reduce((sum, { x }) => sum + x, 0) || point.x) / pressed.size
      travelled += Math.abs(point.x - before.x) + Math.abs(point.y - before.y)
      if (travelled <= STILL) return
      // Not before it is a drag, because a captured press is not a click on the element below.
      if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId)
      stage.classList.add('panning')
      pressed.set(event.pointerId, point)
      const nextWidth = widthOf()
      if (width !== undefined && nextWidth !== undefined) gestures.zoom(center, width / nextWidth)
      gestures.pan((before.x - point.x) / pressed.size)
    },
    { signal },
  )
  for (const type of ['pointerup', 'pointercancel'] as const) {
    stage.addEventListener(
      type,
      (event) => {
        if (!pressed.delete(event.pointerId)) return
        if (pressed.size === 0) stage.classList.remove('panning')
        if (type === 'pointerup' && travelled <= STILL) gestures.choose(toPoint(event))
      },
      { signal },
    )
  }
  stage.addEventListener('pointerleave', () => gestures.point(undefined, false), { signal })
  stage.addEventListener(
    'wheel',
    (event) => {
      const unit = event.deltaMode === 0 ? 1 : 16
      // A pinch on a touchpad comes as a wheel with Ctrl. A wheel alone scrolls the page, unless the drawing has the focus.
      const isZoom =
        event.ctrlKey || event.metaKey || (stage.matches(':focus') && event.deltaX === 0 && !event.shiftKey)
      const across = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX
      if (isZoom) gestures.zoom(toPoint(event).x, Math.exp((event.deltaY * unit) / 300))
      else if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) gestures.pan(across * unit)
      else return
      event.preventDefault()
    },
    { signal, passive: false },
  )
  stage.addEventListener(
    'keydown',
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (gestures.key(event.key, event.shiftKey)) event.preventDefault()
    },
    { signal },
  )
  return () => stop.abort()
}
