import type { ServerResponse } from 'node:http'

const style = `
:root { color-scheme: light dark; --page: #f3f4f1; --card: #fff; --text: #1d211f; --quiet: #646c68; --line: #d5d9d6;
  --accent: #176b52; --on-accent: #fff; --problem: #a3261c; --problem-page: #fbecea }
@media (prefers-color-scheme: dark) { :root { --page: #121514; --card: #1b1f1d; --text: #e8ebe9; --quiet: #9aa39e;
  --line: #353b38; --accent: #5cc3a0; --on-accent: #0c1a15; --problem: #ffb3ab; --problem-page: #3a1d1a } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 1rem;
  background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 23rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 1rem }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; line-height: 1.25; letter-spacing: -.01em }
p { margin: 0 0 1.25rem; color: var(--quiet) }
label { display: block; margin-bottom: 1rem; font-weight: 600 }
input { display: block; width: 100%; margin-top: .35rem; padding: .65rem .75rem; font: inherit; color: inherit;
  background: var(--page); border: 1px solid var(--line); border-radius: .5rem }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.buttons { display: grid; gap: .6rem; margin-top: 1.5rem }
button { padding: .7rem; font: inherit; font-weight: 600; border-radius: .5rem; cursor: pointer;
  border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent) }
button.quiet { background: transparent; color: var(--text); border-color: var(--line) }
#problem { padding: .6rem .75rem; border-radius: .5rem; color: var(--problem); background: var(--problem-page) }
ul { margin: 0; padding-left: 1.25rem }
small { display: block; margin-top: 1.25rem; color: var(--quiet) }
code { font-family: ui-monospace, monospace }
`

const replacements: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => replacements[character] ?? character)
}

export type Language = 'en' | 'zh'

/** The first supported language of `ui_locales` (OpenID Connect Core §3.1.2.1), else English. */
export function chooseLanguage(locales = ''): Language {
  const languages = locales.split(' ').map((locale) => locale.split('-')[0])
  return languages.find((language) => language === 'en' || language === 'zh') ?? 'en'
}

/** `content` is HTML. */
export function layOutPage(title: string, content: string, language: Language = 'en'): string {
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${content}
</main>
</body>
</html>
`
}

export function messagePage(title: string, message: string): string {
  return layOutPage(title, `<p>${escapeHtml(message)}</p>`)
}

export function answerPage(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
  })
  response.end(html)
}
