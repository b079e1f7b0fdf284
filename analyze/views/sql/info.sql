SELECT
    recording.*,
    -- events known to be missing, by the rows of severity data_loss in losses
    (SELECT coalesce(sum(count), 0)::BIGINT FROM losses WHERE severity = 'data_loss') AS events_lost
FROM recording
