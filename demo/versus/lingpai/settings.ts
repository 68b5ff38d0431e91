import { versus } from 'virtual:servers'

export { loginPage, showToast } from '../frame.ts'
export const { apiOrigin } = versus.lingpai
