import { type Layout, placeLanes } from './layout.ts'
import type { Picture } from './model.ts'
import { paintCalls } from './paint.ts'
import { createCanvasPen } from './pen.ts'
import type { Theme } from './theme.ts'

/** How much more than what is seen is drawn at once, as a share of it: so long it can be moved without drawing anew. */
const MARGIN = 0.5

/**
 * Keeps the calls that have ended as an image. While time goes on they only move: two thousand of them drawn anew in each
 * frame would not be smooth without a graphics card.
 */
export function createBarCache() {
  const canvas = document.createElement('canvas')
  const context = canvas.getContext('2d')
  let drawn: { picture: Picture; theme: Theme; key: string; from: number; scale: number } | undefined

  return {
    /** Draws them into another canvas, whose transform is by `ratio`. */
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
        // Resizing clears, and costs more than clearing.
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
