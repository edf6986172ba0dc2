//! Repetition in the order of a request's queries: runs of one statement and periodic patterns.

use crate::request::Request;

/// Longest pattern looked for, in queries: a loop body with more statements is told by its counts.
/// Sentry's MN+1 detector uses the same bound.
const LONGEST_PERIOD: usize = 8;
/// Times a pattern must repeat in full.
const REPEATS: usize = 3;

/// Where each statement of a request stands, and which of its queries are part of a repetition.
pub(super) struct Runs {
    /// Queries in order of their groups.
    positions: Vec<usize>,
    /// Where in `positions` those of each group end.
    ends: Vec<usize>,
    repeats: Vec<bool>,
}

impl Runs {
    /// Searches `request.entries` once per period; time O(entries).
    ///
    /// A query repeats where it stands in a run of at least `min_calls` queries of its statement, or in a
    /// pattern that comes [`REPEATS`] times or more and holds its statement at least `min_calls` times.
    pub(super) fn search(request: &Request, min_calls: usize) -> Self {
        let order: Vec<u16> = request.entries.iter().map(|entry| entry.group).collect();
        let mut runs = Self::place(&order, request.groups.len());
        let groups = (0..request.groups.len()).map(|group| runs.positions(group).len());
        // Queries that may yet turn out to repeat: nothing is searched for others.
        let mut left: usize = groups.filter(|count| *count >= min_calls).sum();
        for period in 1..=LONGEST_PERIOD.min(order.len()) {
            if left == 0 {
                break;
            }
            let mut start = 0;
            let mut close = |end: usize| {
                if end - start >= period * REPEATS {
                    left -= runs.mark(&order, start..end, period, min_calls);
                }
                start = end + 1 - period;
            };
            for (at, (one, before)) in (period..).zip(order[period..].iter().zip(&order)) {
                if one != before {
                    close(at);
                }
            }
            close(order.len());
        }
        runs
    }

    /// Sorts the queries by group; those of no group are left out.
    fn place(order: &[u16], groups: usize) -> Self {
        let mut ends = vec![0; groups];
        for group in order {
            if let Some(count) = ends.get_mut(usize::from(*group)) {
                *count += 1;
            }
        }
        let mut placed = 0;
        for end in &mut ends {
            // Where the group begins; each of its queries moves it on.
            placed += std::mem::replace(end, placed);
        }
        let mut positions = vec![0; placed];
        for (at, group) in order.iter().enumerate() {
            if let Some(end) = ends.get_mut(usize::from(*group)) {
                positions[*end] = at;
                *end += 1;
            }
        }
        Self {
            positions,
            ends,
            repeats: vec![false; order.len()],
        }
    }

    /// Returns how many queries are marked that were not before.
    fn mark(
        &mut self,
        order: &[u16],
        range: std::ops::Range<usize>,
        period: usize,
        min_calls: usize,
    ) -> usize {
        let mut marked = 0;
        for group in order.iter().skip(range.start).take(period) {
            let positions = positions(&self.positions, &self.ends, usize::from(*group));
            let inside = &positions[positions.partition_point(|at| *at < range.start)
                ..positions.partition_point(|at| *at < range.end)];
            if inside.len() >= min_calls {
                for at in inside {
                    marked += usize::from(!std::mem::replace(&mut self.repeats[*at], true));
                }
            }
        }
        marked
    }

    /// All queries of a group, as ascending indices into the entries.
    pub(super) fn positions(&self, group: usize) -> &[usize] {
        positions(&self.positions, &self.ends, group)
    }

    /// Whether this query is part of a repetition.
    pub(super) fn repeats(&self, position: usize) -> bool {
        self.repeats.get(position).copied().unwrap_or(false)
    }
}

fn positions<'a>(all: &'a [usize], ends: &[usize], group: usize) -> &'a [usize] {
    let start = group
        .checked_sub(1)
        .map_or(0, |before| ends.get(before).copied().unwrap_or(all.len()));
    let end = ends.get(group).copied().unwrap_or(start);
    all.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scenario, get, list};
    use super::*;

    /// One letter a statement; returns the letters that repeat, the others as dots.
    fn repeated(order: &str) -> String {
        let mut scenario = Scenario::new();
        for (literal, letter) in order.chars().enumerate() {
            scenario = scenario.run(get(&format!("lib_{letter}")), literal as u64, 1);
        }
        let runs = Runs::search(&scenario.request(), 5);
        (order.chars().enumerate())
            .map(|(at, letter)| if runs.repeats(at) { letter } else { '.' })
            .collect()
    }

    /// The same by the words of [`Runs::search`]: each stretch of each period, one by one.
    fn repeated_plainly(order: &[char], min_calls: usize) -> String {
        let mut repeats = vec![false; order.len()];
        for period in 1..=LONGEST_PERIOD {
            for start in 0..order.len() {
                let agrees = |at: &usize| order[*at] == order[*at - period];
                let end = start + period;
                let end = end + (end..order.len()).take_while(agrees).count();
                if end > order.len() || end - start < period * REPEATS {
                    continue;
                }
                for at in start..end {
                    let inside = &order[start..end];
                    let calls = inside.iter().filter(|one| **one == order[at]).count();
                    repeats[at] |= calls >= min_calls;
                }
            }
        }
        let letters = order.iter().zip(repeats);
        (letters.map(|(letter, repeats)| if repeats { *letter } else { '.' })).collect()
    }

    proptest::proptest! {
        #[test]
        fn a_search_finds_what_repeats_by_its_words(
            bodies in proptest::collection::vec(("[a-d]{1,9}", 1_usize..7), 0..5),
        ) {
            let order: String = bodies.iter().map(|(body, times)| body.repeat(*times)).collect();
            let letters: Vec<char> = order.chars().collect();
            proptest::prop_assert_eq!(repeated(&order), repeated_plainly(&letters, 5));
        }
    }

    #[test]
    fn five_in_a_row_repeat_and_four_do_not() {
        assert_eq!(repeated("laaaaaz"), ".aaaaa.");
        assert_eq!(repeated("laaaaz"), "......");
    }

    #[test]
    fn a_loop_body_of_several_statements_repeats() {
        assert_eq!(repeated("lababababab"), ".ababababab");
        assert_eq!(repeated("labcabcabcabcabcz"), ".abcabcabcabcabc.");
    }

    #[test]
    fn a_pattern_repeats_only_the_statements_that_come_often_enough() {
        // Three rounds: `a` comes six times, `b` three times.
        assert_eq!(repeated("laabaabaab"), ".aa.aa.aa.");
    }

    #[test]
    fn a_loop_body_of_nine_statements_is_too_long() {
        assert_eq!(repeated(&"abcdefghi".repeat(6)), ".".repeat(54));
    }

    #[test]
    fn a_request_without_queries_has_no_runs() {
        let runs = Runs::search(&Scenario::new().request(), 5);
        assert!(!runs.repeats(0));
        assert!(runs.positions(0).is_empty());
    }

    #[test]
    fn positions_name_every_query_of_a_statement() {
        let request = Scenario::new()
            .run(list("lib_book", &["id"]), 0, 3)
            .run(get("lib_a"), 1, 1)
            .run(list("lib_book", &["id"]), 0, 3)
            .request();
        assert_eq!(Runs::search(&request, 5).positions(0), [0, 2]);
    }
}
