/** The fill of an area: a colour, and a pattern for users who cannot distinguish the colours. */
export interface Fill {
  readonly color: string
  /** `hatch` and `dots` lie over `tint`. */
  readonly pattern?: 'hatch' | 'dots'
  readonly tint?: string
}

export interface TextStyle {
  readonly color: string
  readonly size: number
  readonly weight?: number
  readonly align?: 'left' | 'center' | 'right'
}

/** The drawing interface: a canvas on the screen, SVG for the export. */
export interface Pen {
  rect(x: number, y: number, width: number, height: number, fill: Fill, radius?: number): void
  outline(x: number, y: number, width: number, height: number, color: string, radius?: number): void
  line(fromX: number, fromY: number, toX: number, toY: number, color: string, width?: number, dash?: number): void
  /** A closed shape; without a fill only its outline is drawn. */
  shape(points: readonly (readonly [number, number])[], color: string, isFilled: boolean): void
  circle(x: number, y: number, radius: number, color: string, isFilled: boolean): void
  /** `y` is the middle of the line. */
  text(x: number, y: number, text: string, style: TextStyle): void
  measure(text: string, size: number): number
}

export const FONT = 'system-ui, "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif'

export function createCanvasPen(context: CanvasRenderingContext2D): Pen {
  const patterns = new Map<string, CanvasPattern | string>()

  function toStyle({ color, pattern, tint }: Fill): CanvasPattern | string {
    if (pattern === undefined) return color
    const key = `${pattern}${color}${tint}`
    const known = patterns.get(key)
    if (known !== undefined) return known
    const made = createPattern(context, pattern, color, tint ?? 'transparent') ?? color
    patterns.set(key, made)
    return made
  }

  return {
    rect(x, y, width, height, fill, radius = 0) {
      context.fillStyle = toStyle(fill)
      // A rounded path costs ten times as much as a rectangle, and is not visible on a small one.
      if (radius === 0 || height < 6 || width < 6) return context.fillRect(x, y, width, height)
      context.beginPath()
      context.roundRect(x, y, width, height, radius)
      context.fill()
    },
    outline(x, y, width, height, color, radius = 0) {
      context.strokeStyle = color
      context.lineWidth = 2
      context.beginPath()
      context.roundRect(x, y, width, height, radius)
      context.stroke()
    },
    line(fromX, fromY, toX, toY, color, width = 1, dash = 0) {
      context.strokeStyle = color
      context.lineWidth = width
      context.setLineDash(dash === 0 ? [] : [dash, dash])
      context.beginPath()
      context.moveTo(fromX, fromY)
      context.lineTo(toX, toY)
      context.stroke()
      if (dash !== 0) context.setLineDash([])
    },
    shape(points, color, isFilled) {
      context.beginPath()
      for (const [x, y] of points) context.lineTo(x, y)
      context.closePath()
      finish(color, isFilled)
    },
    circle(x, y, radius, color, isFilled) {
      context.beginPath()
      context.arc(x, y, radius, 0, 2 * Math.PI)
      finish(color, isFilled)
    },
    text(x, y, text, { color, size, weight = 400, align = 'left' }) {
      context.font = `${weight} ${size}px ${FONT}`
      context.textAlign = align
      context.textBaseline = 'middle'
      context.fillStyle = color
      context.fillText(text, x, y)
    },
    measure(text, size) {
      context.font = `400 ${size}px ${FONT}`
      return context.measureText(text).width
    },
  }

  function finish(color: string, isFilled: boolean): void {
    if (isFilled) {
      context.fillStyle = color
      context.fill()
    } else {
      context.strokeStyle = color
      context.lineWidth = 1.75
      context.stroke()
    }
  }
}

function createPattern(
  context: CanvasRenderingContext2D,
  pattern: 'hatch' | 'dots',
  color: string,
  tint: string,
): CanvasPattern | null {
  const tile = document.createElement('canvas')
  const size = 8
  // Drawn at twice its size, for screens with more pixels.
  tile.width = tile.height = size * 2
  const brush = tile.getContext('2d')
  if (brush === null) return null
  brush.scale(2, 2)
  brush.fillStyle = tint
  brush.fillRect(0, 0, size, size)
  brush.fillStyle = brush.strokeStyle = color
  if (pattern === 'hatch') {
    brush.lineWidth = 3
    brush.beginPath()
    for (const shift of [-size, 0, size]) {
      brush.moveTo(shift - 2, size + 2)
      brush.lineTo(shift + size + 2, -2)
    }
    brush.stroke()
  } else {
    for (const [x, y] of DOTS) {
      brush.beginPath()
      brush.arc(x, y, 1.3, 0, 2 * Math.PI)
      brush.fill()
    }
  }
  const made = context.createPattern(tile, 'repeat')
  made?.setTransform(new DOMMatrix([0.5, 0, 0, 0.5, 0, 0]))
  return made
}

const DOTS = [
  [2, 2],
  [6, 6],
] as const

/** A pen that writes SVG. */
export function createSvgPen(): Pen & {
  /** `title` is the text alternative of the document. */
  finish(width: number, height: number, background: string, title: string): string
} {
  const parts: string[] = []
  const patterns = new Map<string, string>()
  const canvas = document.createElement('canvas').getContext('2d')

  function toPaint({ color, pattern, tint }: Fill): string {
    if (pattern === undefined) return color
    const key = `${pattern}${color}${tint}`
    const known = patterns.get(key)
    if (known !== undefined) return `url(#${idOf(key)})`
    const inner =
      pattern === 'hatch'
        ? `<path d="M-2 2 2-2M-2 10 10-2M6 10 10 6" stroke="${color}" stroke-width="3"/>`
        : DOTS.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="1.3" fill="${color}"/>`).join('')
    patterns.set(
      key,
      `<pattern id="p${patterns.size}" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="${tint ?? 'none'}"/>${inner}</pattern>`,
    )
    return `url(#${idOf(key)})`
  }

  function idOf(key: string): string {
    return `p${[...patterns.keys()].indexOf(key)}`
  }

  return {
    rect(x, y, width, height, fill, radius = 0) {
      parts.push(
        `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${toPaint(fill)}"${radius === 0 ? '' : ` rx="${radius}"`}/>`,
      )
    },
    outline(x, y, width, height, color, radius = 0) {
      parts.push(
        `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" rx="${radius}" fill="none" stroke="${color}" stroke-width="2"/>`,
      )
    },
    line(fromX, fromY, toX, toY, color, width = 1, dash = 0) {
      parts.push(
        `<path d="M${round(fromX)} ${round(fromY)}L${round(toX)} ${round(toY)}" stroke="${color}" stroke-width="${width}"${dash === 0 ? '' : ` stroke-dasharray="${dash}"`}/>`,
      )
    },
    shape(points, color, isFilled) {
      const path = points.map(([x, y]) => `${round(x)} ${round(y)}`).join('L')
      parts.push(`<path d="M${path}Z" ${paintOf(color, isFilled)}/>`)
    },
    circle(x, y, radius, color, isFilled) {
      parts.push(`<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" ${paintOf(color, isFilled)}/>`)
    },
    text(x, y, text, { color, size, weight = 400, align = 'left' }) {
      const anchor = { left: 'start', center: 'middle', right: 'end' }[align]
      parts.push(
        `<text x="${round(x)}" y="${round(y)}" fill="${color}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" dominant-baseline="central">${escapeMarkup(text)}</text>`,
      )
    },
    measure(text, size) {
      if (canvas === null) return text.length * size * 0.6
      canvas.font = `400 ${size}px ${FONT}`
      return canvas.measureText(text).width
    },
    finish: (width, height, background, title) =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="${escapeMarkup(FONT)}"><title>${escapeMarkup(title)}</title><defs>${[...patterns.values()].join('')}</defs><rect width="${width}" height="${height}" fill="${background}"/>${parts.join('')}</svg>`,
  }
}

function paintOf(color: string, isFilled: boolean): string {
  return isFilled ? `fill="${color}"` : `fill="none" stroke="${color}" stroke-width="1.75"`
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

function escapeMarkup(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
