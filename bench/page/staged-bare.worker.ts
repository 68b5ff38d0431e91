import './stages.ts'
import './bare.worker.ts'
