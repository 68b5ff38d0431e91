import { mkdir, writeFile } from 'node:fs/promises'
import { type Browser, chromium, type Page } from 'playwright'
import { createServer } from 'vite'
import { pathOf } from './paths.ts'

export interface ScreenshotOptions {
  readonly executablePath: string
  log(line: string): void
}

interface Picture {
  readonly name: string
  readonly language: 'en' | 'zh'
  readonly theme: 'light' | 'dark'
  readonly width: number
  readonly height: number
  /** Pixels of the picture for each CSS pixel. */
  readonly scale: number
  /** Brings the open page to the state of the picture, which shows the window. */
  prepare(page: Page): Promise<void>
}

/** The maximum in bytes. The README shows these pictures and must load quickly. */
const largest = 150_000

const pictures: readonly Picture[] = [
  { name: 'playground', language: 'en', theme: 'light', width: 1280, height: 1000, scale: 1.5, prepare: fireStorm },
  {
    name: 'playground-dark',
    language: 'en',
    theme: 'dark',
    width: 1280,
    height: 800,
    scale: 1.5,
    prepare: showTimeline,
  },
  { name: 'playground-narrow', language: 'en', theme: 'light', width: 360, height: 760, scale: 2, prepare: showResult },
  { name: 'playground-zh', language: 'zh', theme: 'light', width: 1280, height: 800, scale: 1.5, prepare: compare },
]

/** Starts the demo, brings it to each state and writes the pictures. Resolves with the exit code. */
export async function takeScreenshots({ executablePath, log }: ScreenshotOptions): Promise<number> {
  process.env.LINGPAI_ISSUER_PORT = '0'
  process.env.LINGPAI_API_PORT = '0'
  const server = await createServer({
    configFile: pathOf('demo/vite.config.ts'),
    logLevel: 'error',
    server: { port: 0, hmr: false, watch: null },
  })
  let browser: Browser | undefined
  try {
    await server.listen()
    const origin = server.resolvedUrls?.local[0]
    if (origin === undefined) throw new Error('The demo listens on no port.')
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--hide-scrollbars'] })
    if (!(await hasChineseFont(browser))) {
      log('There is no font with Chinese characters here: the Chinese picture would show boxes.')
      log('Install one, such as fonts-noto-cjk or fonts-wqy-microhei on Debian, and run this again.')
      return 1
    }
    await mkdir(pathOf('docs/images'), { recursive: true })
    for (const [index, picture] of pictures.entries()) {
      const bytes = await take(browser, origin, picture)
      const path = `docs/images/${picture.name}.webp`
      log(`picture ${index + 1} of ${pictures.length}, ${path}: ${(bytes.length / 1000).toFixed(0)} kB`)
      if (bytes.length > largest) {
        log(`That is more than ${largest / 1000} kB.`)
        return 1
      }
      await writeFile(pathOf(path), bytes)
    }
    return 0
  } finally {
    await browser?.close()
    await server.close()
  }
}

async function take(browser: Browser, origin: string, picture: Picture): Promise<Buffer> {
  const { language, theme, width, height, scale, prepare } = picture
  const context = await browser.newContext({
    locale: language === 'zh' ? 'zh-CN' : 'en-US',
    viewport: { width, height },
    deviceScaleFactor: scale,
    colorScheme: theme,
    reducedMotion: 'reduce',
  })
  try {
    const page = await context.newPage()
    await page.goto(origin)
    await prepare(page)
    // Removes the hover and focus styles of the previous input.
    await page.mouse.move(0, 0)
    await page.evaluate('document.activeElement?.blur()')
    const devtools = await context.newCDPSession(page)
    const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality: 80 })
    return Buffer.from(data, 'base64')
  } finally {
    await context.close()
  }
}

async function signIn(page: Page): Promise<void> {
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.click('#sign-in-popup')])
  const closed = popup.waitForEvent('close')
  await popup.fill('#account', 'alice')
  await popup.fill('#password', 'lingpai')
  await popup.click('#sign-in')
  await closed
  await page.locator('#session', { hasText: 'Alice' }).waitFor()
}

async function fireStorm(page: Page): Promise<void> {
  await signIn(page)
  await page.click('#fire-storm')
  await page.locator('#result', { hasText: '150' }).waitFor()
  const timeline = page.locator('#timeline')
  await timeline.getByText(/^150 calls · 1 refresh$/).waitFor()
  // The page reads the counters again after the last response.
  await page.waitForTimeout(1000)
  await timeline.getByRole('application').waitFor()
}

async function showResult(page: Page): Promise<void> {
  await fireStorm(page)
  await page.locator('#step-3').evaluate((step) => step.scrollIntoView({ block: 'start' }))
}

async function showTimeline(page: Page): Promise<void> {
  await fireStorm(page)
  await page.getByRole('button', { name: 'Show all' }).click()
  await page.locator('#timeline').evaluate((timeline) => timeline.scrollIntoView({ block: 'start' }))
}

async function compare(page: Page): Promise<void> {
  await page.locator('#versus button.main').click()
  await page.waitForSelector('[data-ran]', { timeout: 45_000 })
  await page.locator('#versus').evaluate((section) => section.scrollIntoView({ block: 'start' }))
}

/** If no font has a character, the browser draws a box, which is the same for each such character. */
async function hasChineseFont(browser: Browser): Promise<boolean> {
  const page = await browser.newPage()
  try {
    return await page.evaluate(() => {
      const draw = (character: string): string => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 64 })
        const pen = canvas.getContext('2d')
        if (!pen) throw new Error('There is no canvas.')
        pen.font = '48px sans-serif'
        pen.fillText(character, 4, 52)
        return canvas.toDataURL()
      }
      return draw('令') !== draw('牌')
    })
  } finally {
    await page.close()
  }
}
