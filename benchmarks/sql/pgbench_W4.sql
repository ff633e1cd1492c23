\set giver random(0, :hot - 1)
\set distance random(1, :hot - 1)
\set taker (:giver + :distance) % :hot
\set item random(1, :stacks)
\set giver_row :giver * :stacks + :item
\set taker_row :taker * :stacks + :item
SELECT transfer(:giver_row, :taker_row, 1);
