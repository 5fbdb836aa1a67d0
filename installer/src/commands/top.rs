//! `landfall top`: shows the present CPU and memory use of nodes, components and pods.

use indicatif::HumanBytes;
use landfall_lifecycle::operations::{ComponentUse, NodeUse, SiteUse};
use landfall_peer::PodResources;

use super::site::operations_of_root;
use crate::cli::TopArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::shown;
use crate::table::format_table;

impl Document for SiteUse {
    const KIND: &'static str = "top";
}

/// Prints the use.
pub(crate) fn run(arguments: &TopArguments, printer: Printer) -> Result<(), Failure> {
    let used = operations_of_root(printer)?.site_use(arguments.component.as_deref())?;
    printer.page(&used, text, &[])
}

fn text(used: &SiteUse) -> String {
    let SiteUse { nodes, components, notes, .. } = used;
    let of_nodes = format_table(["node", "cpu", "memory"], nodes.iter().map(node));
    let of_components = format_table(["component, pod", "cpu", "memory"], components.iter().flat_map(component));
    let notes = notes.iter().map(|note| format!("note: {}", shown::line(note)));
    let lines: Vec<_> = [of_nodes, String::new(), of_components].into_iter().chain(notes).collect();
    lines.join("\n")
}

fn node(used: &NodeUse) -> [String; 3] {
    let NodeUse { node, cpu_millicores, cpu_used_millicores, memory_bytes, memory_used_bytes } = used;
    let cpu = format!("{} of {}", cores(*cpu_used_millicores), cores(*cpu_millicores));
    let memory = format!("{} of {}", bytes(*memory_used_bytes), bytes(*memory_bytes));
    [node.clone(), cpu, memory]
}

/// Rows of a component and its pods.
fn component(used: &ComponentUse) -> Vec<[String; 3]> {
    let ComponentUse { component, total, pods } = used;
    let name = component.clone().unwrap_or_else(|| "(Kubernetes)".to_owned());
    let total = [name, cores(total.cpu_used_millicores), bytes(total.memory_used_bytes)];
    std::iter::once(total).chain(pods.iter().map(pod)).collect()
}

fn pod(used: &PodResources) -> [String; 3] {
    let all = || used.containers.iter().filter(|container| container.running).map(|one| one.amounts);
    let cpu = cores(sum(all().map(|amounts| amounts.cpu_used_millicores)));
    let memory = bytes(sum(all().map(|amounts| amounts.memory_used_bytes)));
    [format!("  {}/{}", used.namespace, used.pod), cpu, memory]
}

/// Sum of figures; `None` if one is missing, or if there are none.
fn sum(figures: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let figures: Vec<u64> = figures.collect::<Option<_>>()?;
    figures.into_iter().reduce(u64::saturating_add)
}

/// Formats cores, such as `1.250`; a dash if they were not measured.
fn cores(millicores: Option<u64>) -> String {
    millicores.map_or_else(|| "-".to_owned(), |milli| format!("{}.{:03}", milli / 1000, milli % 1000))
}

fn bytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| HumanBytes(bytes).to_string())
}

#[cfg(test)]
mod tests {
    use landfall_peer::{Amounts, ContainerResources};

    use super::*;

    fn sample_use() -> SiteUse {
        let amounts =
            Amounts { cpu_used_millicores: Some(250), memory_used_bytes: Some(64 << 20), ..Amounts::default() };
        let container = ContainerResources {
            container: "web".to_owned(),
            image: "web:1".to_owned(),
            running: true,
            restarts: Some(0),
            amounts,
        };
        let pod = PodResources {
            namespace: "shop".to_owned(),
            pod: "web-0".to_owned(),
            phase: "Running".to_owned(),
            node: Some("node-1".to_owned()),
            containers: vec![container.clone(), container],
        };
        let silent = NodeUse {
            node: "node-1".to_owned(),
            cpu_millicores: Some(4000),
            cpu_used_millicores: None,
            memory_bytes: Some(8 << 30),
            memory_used_bytes: None,
        };
        SiteUse {
            at: "2026-11-20T08:00:00Z".to_owned(),
            nodes: vec![silent],
            components: vec![
                ComponentUse { component: Some("web".to_owned()), total: amounts, pods: vec![pod] },
                ComponentUse { component: None, total: Amounts::default(), pods: Vec::new() },
            ],
            notes: vec!["use on node-1 is not measured: no answer".to_owned()],
        }
    }

    #[test]
    fn usage_is_shown_by_level() {
        insta::assert_snapshot!(text(&sample_use()), @r"
        NODE    CPU         MEMORY
        node-1  - of 4.000  - of 8.00 GiB

        COMPONENT, POD  CPU    MEMORY
        web             0.250  64.00 MiB
          shop/web-0    0.500  128.00 MiB
        (Kubernetes)    -      -
        note: use on node-1 is not measured: no answer
        ");
    }

    #[test]
    fn document_matches_schema() {
        let (_, schema) = crate::document::schema_of::<SiteUse>();
        let document: serde_json::Value = serde_json::from_str(&crate::document::line(&sample_use())).unwrap();
        assert!(jsonschema::is_valid(&schema, &document));
    }
}
