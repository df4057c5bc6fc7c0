import { jobsPlugin } from './plugins/jobs';

export default [jobsPlugin];
