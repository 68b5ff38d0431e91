import { createSetting } from './setting.ts'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

export const theme = createSetting<Theme>('theme', themes, 'system')

theme.follow((current) => {
  document.documentElement.dataset.theme = current
})
