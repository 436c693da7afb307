"""One visitor: mailboxes, worker, lifetime, receipts."""
