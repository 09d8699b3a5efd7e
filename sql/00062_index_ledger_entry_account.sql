-- +goose Up
CREATE INDEX ledger_entry_account ON ledger_entry (account, owner_id, id, amount_fen);
