import './stages.ts'
import './token.worker.ts'
