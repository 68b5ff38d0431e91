import { createSetting } from './setting.ts'

export const languages = ['en', 'zh'] as const
export type Language = (typeof languages)[number]

export const language = createSetting<Language>(
  'language',
  languages,
  navigator.language.startsWith('zh') ? 'zh' : 'en',
)

/** The texts of one part of a page. A key that is missing in one language does not compile. */
export function createTexts<Texts>(texts: Readonly<Record<Language, Texts>>): () => Texts {
  return () => texts[language.get()]
}

/** Gives an element its text in the current language, now and after every switch. Text between backticks becomes code. */
export function say<Target extends HTMLElement>(target: Target, text: () => string): Target {
  language.follow(() => fill(target, text()))
  return target
}

/** Fills every element that has `data-text` with the text of that name. */
export function translate(root: ParentNode, texts: () => Readonly<Record<string, unknown>>): void {
  for (const target of root.querySelectorAll<HTMLElement>('[data-text]')) say(target, () => read(target.dataset.text))
  for (const target of root.querySelectorAll<HTMLElement>('[data-label]')) {
    language.follow(() => target.setAttribute('aria-label', read(target.dataset.label)))
  }

  function read(name = ''): string {
    const text = texts()[name]
    if (typeof text !== 'string') throw new Error(`There is no text named ${name}.`)
    return text
  }
}

/** Sets a text. Parts between backticks become code. */
export function fill(target: HTMLElement, text: string): void {
  const parts = text.split('`').map((part, index) => {
    if (index % 2 === 0) return part
    const code = document.createElement('code')
    code.textContent = part
    return code
  })
  target.replaceChildren(...parts)
}

language.follow((current) => {
  document.documentElement.lang = current === 'zh' ? 'zh-CN' : 'en'
})
