//! Requests and usage of a component on its page: figures become words here, and the template only places them.

use super::moment::Moment;
use super::state::{Mark, State as How};
use super::units::{NOT_MEASURED, bytes, cores};
use crate::host::{Amounts, ComponentResources, ContainerResources, PodResources, VolumeKind, VolumeResources};

/// Used, requested and allowed CPU or memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Figures {
    pub used: String,
    pub requested: String,
    pub limit: String,
}

impl Figures {
    fn from_amounts(used: Option<u64>, requested: Option<u64>, limit: Option<u64>, text: fn(u64) -> String) -> Self {
        Self {
            used: used.map_or_else(|| NOT_MEASURED.to_owned(), text),
            requested: requested.map_or_else(|| "nothing".to_owned(), text),
            limit: limit.map_or_else(|| "no limit".to_owned(), text),
        }
    }

    fn of_cpu(amounts: &Amounts) -> Self {
        let Amounts { cpu_used_millicores, cpu_requested_millicores, cpu_limit_millicores, .. } = *amounts;
        Self::from_amounts(cpu_used_millicores, cpu_requested_millicores, cpu_limit_millicores, cores)
    }

    fn of_memory(amounts: &Amounts) -> Self {
        let Amounts { memory_used_bytes, memory_requested_bytes, memory_limit_bytes, .. } = *amounts;
        Self::from_amounts(memory_used_bytes, memory_requested_bytes, memory_limit_bytes, bytes)
    }
}

/// A container.
pub struct Container {
    /// `POD/CONTAINER`, as in the log.
    pub name: String,
    pub image: String,
    pub mark: Mark,
    pub restarts: String,
    pub cpu: Figures,
    pub memory: Figures,
}

impl Container {
    fn from_resources(pod: &PodResources, container: &ContainerResources) -> Self {
        Self {
            name: format!("{}/{}", pod.pod, container.container),
            image: container.image.clone(),
            mark: mark(pod, container),
            restarts: container.restarts.map_or_else(|| "unknown".to_owned(), |count| count.to_string()),
            cpu: Figures::of_cpu(&container.amounts),
            memory: Figures::of_memory(&container.amounts),
        }
    }
}

fn mark(pod: &PodResources, container: &ContainerResources) -> Mark {
    match (container.running, pod.phase.as_str()) {
        (true, _) => How::Good.mark("Runs"),
        (false, "Succeeded") => How::Good.mark("Finished"),
        (false, "Failed") => How::Bad.mark("Failed"),
        (false, _) => How::Attention.mark("Does not run"),
    }
}

/// A volume.
pub struct Volume {
    pub name: String,
    pub kind: &'static str,
    pub pods: String,
    pub size: String,
    pub used: String,
}

impl From<VolumeResources> for Volume {
    fn from(volume: VolumeResources) -> Self {
        Self {
            kind: match volume.kind {
                VolumeKind::Claim => "stays",
                VolumeKind::Temporary => "goes with its pod",
            },
            size: volume.size_bytes.map_or_else(|| "no size".to_owned(), bytes),
            used: volume.used_bytes.map_or_else(|| NOT_MEASURED.to_owned(), bytes),
            pods: volume.pods.join(", "),
            name: volume.name,
        }
    }
}

/// All figures of a component.
pub struct Sheet {
    pub at: Option<Moment>,
    pub containers: Vec<Container>,
    pub cpu: Figures,
    pub memory: Figures,
    pub volumes: Vec<Volume>,
    pub used_space: String,
    pub notes: Vec<String>,
}

impl From<ComponentResources> for Sheet {
    fn from(found: ComponentResources) -> Self {
        let containers = found
            .pods
            .iter()
            .flat_map(|pod| pod.containers.iter().map(move |container| Container::from_resources(pod, container)));
        Self {
            at: Moment::read(Some(&found.at)),
            containers: containers.collect(),
            cpu: Figures::of_cpu(&found.total),
            memory: Figures::of_memory(&found.total),
            used_space: found.used_space_bytes.map_or_else(|| NOT_MEASURED.to_owned(), bytes),
            volumes: found.volumes.into_iter().map(Volume::from).collect(),
            notes: found.notes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::sample_of;
    use crate::testing::{Site, words_of};

    #[test]
    fn unmeasured_figure_is_no_zero() {
        let none = Figures::of_memory(&Amounts::default());
        let expected = ["not measured", "nothing", "no limit"].map(str::to_owned);
        assert_eq!([none.used, none.requested, none.limit], expected);
        let idle = Figures::of_cpu(&Amounts { cpu_used_millicores: Some(0), ..Amounts::default() });
        assert_eq!(idle.used, "0");
    }

    #[test]
    fn containers_show_running_state() {
        let found: ComponentResources = sample_of("resources");
        let mut pod = found.pods[0].clone();
        let mark_of = |pod: &PodResources| mark(pod, &pod.containers[0]);
        assert_eq!(mark_of(&pod), How::Good.mark("Runs"));
        pod.containers[0].running = false;
        assert_eq!(mark_of(&pod), How::Attention.mark("Does not run"));
        pod.phase = "Failed".to_owned();
        assert_eq!(mark_of(&pod), How::Bad.mark("Failed"));
        assert_eq!(mark_of(&found.pods[1]), How::Good.mark("Finished"));
    }

    #[tokio::test]
    async fn component_page_shows_resources() {
        let site = Site::begin().await;
        let vera = site.sign_in("vera").await;
        let page = words_of(&vera.get("/components/postgres").await.body);
        insta::assert_snapshot!(page);
        assert!(!page.contains("0 B"), "an unknown amount is shown as zero: {page}");
        let live = words_of(&vera.get("/live/components/postgres?follow=1").await.body);
        assert!(page.ends_with(&live), "{live}");
    }

    #[tokio::test]
    async fn resource_notes_are_escaped() {
        let site = Site::begin().await;
        {
            let mut found = site.host.resources.lock().unwrap();
            found.notes = vec!["use on node-1 is not measured: <no answer>".to_owned()];
            found.pods.clear();
            found.volumes[0].name = "<script>".to_owned();
        }
        let vera = site.sign_in("vera").await;
        let page = vera.get("/components/postgres").await.body;
        insta::assert_snapshot!(words_of(&page));
        assert!(!page.contains("<script>") && !page.contains("<no answer>"), "a name became markup: {page}");
    }
}
