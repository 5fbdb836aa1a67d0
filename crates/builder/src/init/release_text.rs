//! The text of `release.yaml`.

use std::collections::BTreeMap;

use super::guess::Guess;
use super::plain::quote_scalar;
use super::starter;
use crate::definition::FILL_IN;

const CONSOLE_NOTE: &str = "  # What a customer opens in a browser. `landfall build` makes its image. `landfall init \
    --no-console` leaves it out.\n";

/// Creates the definition of a release with these components, and with Landfall's console if requested. `tags`
/// completes images of the platform that would match several entries of the lock.
pub fn text(name: &str, guesses: &[Guess], has_console: bool, tags: &BTreeMap<String, String>) -> String {
    let entry = |name: &str| {
        let guess = guesses.iter().find(|guess| guess.name == name);
        let is_console = |guess: &&Guess| guess.is_console && name == starter::CONSOLE;
        let own = guess.filter(|guess| !starter::NAMES.contains(&name) && !is_console(guess));
        let namespace = own.map_or_else(|| starter::namespace(name), |guess| guess.namespace.clone());
        let from = guess.filter(|guess| guess.has_own_file);
        let from = from.map_or_else(|| format!("manifests/{name}"), |guess| guess.folder.clone());
        format!("  - {{name: {name}, from: {}, namespace: {}}}\n", quote_scalar(&from), quote_scalar(&namespace))
    };
    let platform: String = starter::NAMES.into_iter().map(entry).collect();
    let console = if has_console { format!("{CONSOLE_NOTE}{}", entry(starter::CONSOLE)) } else { String::new() };
    let own = guesses.iter().filter(|guess| !starter::NAMES.contains(&guess.name.as_str()));
    let own: String = own.map(|guess| entry(&guess.name)).collect();
    format!(
        "# The release `{name}`, begun by `landfall init`. Each component says what it needs, keeps and shows in its \
         own component.yaml. A field\n\
         # that says {FILL_IN} needs a person: `landfall lock` refuses the release until it is filled in.\n\
         name: {name}\nversion: 0.1.0\n# Monotonic: every release that customers get \
         has a greater one.\ncounter: 1\n\
         platform: linux/amd64\nlock: images.lock\n\n\
         # What a node must have. `data` is what your software writes; Landfall adds what the bundle brings.\n\
         requirements:\n  cores: 2\n  memory: 4Gi\n  data: 10Gi\n\n{}\nartifacts:\n{}\n\
         components:\n  # Network, names and volumes, as in Landfall's starter release.\n{platform}{console}  \
         # Made of what was given to `landfall init`.\n{own}",
        starter::add_tags(&starter::node_packs(), tags),
        starter::artifacts(),
    )
}
