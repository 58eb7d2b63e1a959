export { noCloudMedia } from './nocloud-medium.ts';
