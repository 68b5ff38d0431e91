import './stages.ts'
import './lean.worker.ts'
