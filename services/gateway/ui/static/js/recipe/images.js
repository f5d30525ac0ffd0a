/** The images that a recipe can be built on, as services/builds/schemas/recipes.py has them (tests/browser compares). */

export const IMAGE_TYPES = [
  'fedora-bootc', 'fedora-silverblue', 'fedora-kinoite', 'fedora-sway-atomic', 'fedora-onyx', 'fedora-budgie', 'fedora-cinnamon', 'fedora-cosmic',
  'fedora-deepin', 'fedora-lxqt', 'fedora-mate', 'fedora-xfce',
];
/** Those that exist today; others may be typed. */
export const FEDORA_VERSIONS = ['42', '43', '44', 'rawhide'];

/** What a new configuration begins with. */
export const DEFAULTS = { image_type: 'fedora-sway-atomic', fedora_version: '43', enable_plymouth: true };
