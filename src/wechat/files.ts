import type { FileReader } from './calls.ts'

type FileApi = Pick<WechatMiniprogram.Wx, 'getFileSystemManager'>

/** Reads and removes downloaded files. @see https://developers.weixin.qq.com/miniprogram/dev/api/file/FileSystemManager.html */
export function createFiles(wx: FileApi): FileReader {
  return {
    readShortText(path, longest) {
      const reading = new Promise<string | undefined>((resolve) => {
        const none = () => resolve(undefined)
        const manager = wx.getFileSystemManager()
        manager.getFileInfo({
          filePath: path,
          success: ({ size }) => {
            if (size > longest) return none()
            manager.readFile({
              filePath: path,
              encoding: 'utf8',
              success: ({ data }) => resolve(typeof data === 'string' ? data : undefined),
              fail: none,
            })
          },
          fail: none,
        })
      })
      return reading.catch(() => undefined)
    },
    remove(path) {
      wx.getFileSystemManager().unlink({ filePath: path })
    },
  }
}
