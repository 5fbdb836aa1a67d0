//! Order of components: each follows all components that it needs; otherwise as written.

use super::Release;

/// Indexes in the order of application, or the names along a cycle, with the first one repeated at the end.
///
/// Every name in `needs` must exist.
pub fn order(release: &Release) -> Result<Vec<usize>, Vec<String>> {
    let components = &release.components;
    let index_of = |name: &str| components.iter().position(|component| component.name.value == name);
    let needs: Vec<Vec<usize>> = components
        .iter()
        .map(|component| component.needs.iter().filter_map(|need| index_of(&need.value)).collect())
        .collect();
    let mut placed = vec![false; components.len()];
    let mut order = Vec::with_capacity(components.len());
    while order.len() < components.len() {
        let ready =
            (0..components.len()).find(|&index| !placed[index] && needs[index].iter().all(|&need| placed[need]));
        let Some(index) = ready else {
            let cycle = cycle(&needs, &placed);
            return Err(cycle.into_iter().map(|index| components[index].name.value.clone()).collect());
        };
        placed[index] = true;
        order.push(index);
    }
    Ok(order)
}

/// Finds a cycle: follows unplaced dependencies from any unplaced component until one repeats.
fn cycle(needs: &[Vec<usize>], placed: &[bool]) -> Vec<usize> {
    let Some(mut current) = placed.iter().position(|placed| !placed) else { return Vec::new() };
    let mut path = Vec::new();
    loop {
        if let Some(start) = path.iter().position(|&seen| seen == current) {
            let mut cycle = path.split_off(start);
            cycle.push(current);
            return cycle;
        }
        path.push(current);
        match needs[current].iter().find(|&&need| !placed[need]) {
            Some(&next) => current = next,
            None => return path,
        }
    }
}
