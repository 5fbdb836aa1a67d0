//! What a cluster holds, reduced to what two sites of one release must agree on.
