-- What a job does and what came out of it stand under the kind's name, instead of beside it: `{"train": {…}}`.

update jobs set spec = json_object(json_extract(spec, '$.kind'), json_remove(spec, '$.kind'))
where json_extract(spec, '$.kind') is not null;

update jobs set result = json_object(json_extract(result, '$.kind'), json_remove(result, '$.kind'))
where json_extract(result, '$.kind') is not null;
