import { type Layout, placeLanes } from './layout.ts'
import type { Picture } from './model.ts'
import { paintCalls } from './paint.ts'
import { createCanvasPen } from './pen.ts'
import type { Theme } from './theme.ts'

/** The part outside the view that is drawn too, as a share of the view: it can be moved so far without a new drawing. */
const MARGIN = 0.5

/**
 * Keeps the ended calls as an image, because they only move over time. Without a graphics card, drawing two thousand of them
 * in each frame would not be smooth.
 */
export function createBarCache() {
  const canvas = document.createElement('canvas')
  const context = canvas.getContext('2d')
  let drawn: { picture: Picture; theme: Theme; key: string; from: number; scale: number } | undefined

  return {
    /** Draws the image into another canvas, which is scaled by `ratio`. */
    drawInto(target: CanvasRenderingContext2D, picture: Picture, layout: Layout, theme: Theme, ratio: number): void {
      if (context === null) return
      const { range, gutter, width, height, lanes } = layout
      const plot = width - gutter
      const scale = plot / (range.until - range.from)
      const room = Math.round(plot * MARGIN)
      const key = [
        plot,
        height,
        ratio,
        ...lanes.flatMap(({ lane, top, rowHeight }) => [lane.id, top, rowHeight]),
      ].join()
      const shift = drawn === undefined ? 0 : (range.from - drawn.from) * scale
      const isGood =
        drawn !== undefined &&
        drawn.picture === picture &&
        drawn.theme === theme &&
        drawn.key === key &&
        Math.abs(drawn.scale - scale) < scale * 1e-9 &&
        shift >= 0 &&
        shift <= room
      if (!isGood) drawAll()

      function drawAll(): void {
        if (context === null) return
        // A resize clears the canvas too, but is slower than clearing.
        const [wide, high] = [Math.round((plot + room) * ratio), Math.round(height * ratio)]
        if (canvas.width !== wide || canvas.height !== high) {
          canvas.width = wide
          canvas.height = high
        }
        context.setTransform(ratio, 0, 0, ratio, 0, 0)
        context.clearRect(0, 0, plot + room, height)
        const wider = { from: range.from, until: range.until + room / scale }
        const placed = placeLanes(lanes, wider, plot + room, 0, layout.edge)
        paintCalls(createCanvasPen(context), { picture, layout: placed, theme }, 'ended')
        drawn = { picture, theme, key, from: range.from, scale }
      }

      const offset = drawn === undefined ? 0 : Math.round((range.from - drawn.from) * scale * ratio)
      const [wide, high] = [Math.round(plot * ratio), Math.round(height * ratio)]
      target.drawImage(canvas, offset, 0, wide, high, gutter, 0, wide / ratio, high / ratio)
    },
  }
}
