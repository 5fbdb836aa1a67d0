//! Tables of the kernel's packet filter: an uninstall deletes those of kube-proxy and flannel without the program
//! `nft`.

use std::io;

use rustix::net::netlink::NETFILTER;

use super::{ACKNOWLEDGE, Conversation, DUMP, Message, REQUEST, attributes, text};

const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message's kind.
pub(super) const NFTABLES: u16 = 10 << 8;
const GET_TABLE: u16 = NFTABLES | 1;
const DELETE_TABLE: u16 = NFTABLES | 2;
/// Number of the subsystem, which a batch names in network order.
const NFTABLES_SUBSYSTEM: [u8; 2] = 10u16.to_be_bytes();

/// A table of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Address family: 2 for `ip`, 10 for `ip6`, 1 for `inet`.
    pub family: u8,
    /// Name of the table.
    pub name: String,
}

/// Returns all tables; empty on a kernel without nftables.
pub fn tables() -> io::Result<Vec<Table>> {
    Ok(dump(GET_TABLE)?.iter().filter_map(|body| table(body)).collect())
}

/// Returns the bodies of all objects of a kind, of every family; empty on a kernel without nftables.
pub(super) fn dump(kind: u16) -> io::Result<Vec<Vec<u8>>> {
    let conversation = match Conversation::open(Some(NETFILTER)) {
        // EPROTONOSUPPORT.
        Err(error) if error.raw_os_error() == Some(93) => return Ok(Vec::new()),
        conversation => conversation?,
    };
    conversation.send(&Message::new(kind, REQUEST | DUMP, &[0; 4]).finish())?;
    let answers = match conversation.answers() {
        // EINVAL, EOPNOTSUPP: the kernel has netfilter but not nftables.
        Err(error) if matches!(error.raw_os_error(), Some(22 | 95)) => return Ok(Vec::new()),
        answers => answers?,
    };
    Ok(answers.into_iter().map(|(_, body)| body).collect())
}

fn table(body: &[u8]) -> Option<Table> {
    let family = *body.first()?;
    let name = attributes(body.get(4..)?).into_iter().find(|(kind, _)| *kind == 1)?;
    Some(Table { family, name: text(name.1) })
}

/// Deletes a table with its contents. A missing table is not an error.
pub fn delete_table(table: &Table) -> io::Result<()> {
    let batch = [0, 0, NFTABLES_SUBSYSTEM[0], NFTABLES_SUBSYSTEM[1]];
    let mut name = table.name.clone().into_bytes();
    name.push(0);
    let mut bytes = Message::new(BATCH_BEGIN, REQUEST, &batch).finish();
    bytes.extend(
        Message::new(DELETE_TABLE, REQUEST | ACKNOWLEDGE, &[table.family, 0, 0, 0]).attribute(1, &name).finish(),
    );
    bytes.extend(Message::new(BATCH_END, REQUEST, &batch).finish());
    let conversation = Conversation::open(Some(NETFILTER))?;
    conversation.send(&bytes)?;
    match conversation.answers() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        deleted => deleted.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_message_is_parsed() {
        let mut body = vec![2, 0, 0, 0];
        body.extend([15, 0, 1, 0]);
        body.extend(b"kube-proxy\0\0");
        assert_eq!(table(&body), Some(Table { family: 2, name: "kube-proxy".to_owned() }));
    }
}
