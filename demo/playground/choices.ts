import { element, find } from '../page/element.ts'
import { language, say } from '../page/language.ts'
import { theme, themes } from '../page/theme.ts'
import { texts } from './texts.ts'

/** The settings at the top of the page: language and theme. */
export function createChoices(): void {
  const button = find('language', HTMLButtonElement)
  button.addEventListener('click', () => language.set(language.get() === 'en' ? 'zh' : 'en'))
  language.follow((current) => {
    button.textContent = texts().otherLanguage
    button.lang = current === 'en' ? 'zh-CN' : 'en'
  })

  const choice = find('theme', HTMLSelectElement)
  choice.append(...themes.map((name) => say(element('option', { value: name }), () => texts().themes[name])))
  choice.addEventListener('change', () => {
    const chosen = themes.find((name) => name === choice.value)
    if (chosen) theme.set(chosen)
  })
  theme.follow((current) => {
    choice.value = current
  })
}
